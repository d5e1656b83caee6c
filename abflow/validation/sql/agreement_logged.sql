-- agreement_logged.sql: one row; the log itself says which predictions agree
select count(*) as pairs, count(*) filter (logged_agree) as agreements
from pairs
where logged_agree is not null
