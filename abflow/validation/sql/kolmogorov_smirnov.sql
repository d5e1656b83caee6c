-- kolmogorov_smirnov.sql: one row; the largest distance between the two empirical distributions
with seen as (
    select production_number as value, 1 as step from pairs
    union all
    select shadow_number, -1 from pairs
),

steps as (
    select value, sum(step) as step from seen group by value
),

distances as (
    select abs(sum(step) over (order by value)) as distance from steps
)

select max(distance)::double / (select count(*) from pairs) as distance
from distances
