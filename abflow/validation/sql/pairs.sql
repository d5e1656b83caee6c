-- pairs.sql: one row per request that both versions answered
create view pairs as
select *
from calls
where not failed and production is not null and shadow is not null
