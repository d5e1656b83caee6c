-- agreement_of_labels.sql: one row; labels agree when they are the same text
select count(*) as pairs, count(*) filter (shadow = production) as agreements
from pairs
