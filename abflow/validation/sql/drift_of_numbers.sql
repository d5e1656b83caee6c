-- drift_of_numbers.sql: one row per distinct decile of production's numbers, ascending
with deciles as (
    select distinct unnest(quantile_disc(production_number, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])) as cut
    from pairs
)
select
    cut,
    count(*) filter (production_number <= cut) as production_at_or_below,
    count(*) filter (shadow_number <= cut) as shadow_at_or_below
from pairs, deciles
group by cut
order by cut
