-- one row per metric, variant and way of treating units seen in two variants
with capped as (
    select u.metric, u.variant, u.crossed, u.mature, least(u.value, coalesce(c.cap, u.value)) as value
    from unit_metrics as u
    left join caps as c on u.metric = c.metric
),

policies as (
    select 'exclude' as contamination, *
    from capped
    where not crossed
    union all
    select 'keep_first' as contamination, *
    from capped
)

select
    metric,
    variant,
    contamination,
    count(*) filter (where mature) as n,
    coalesce(avg(value) filter (where mature), 0) as mean,
    coalesce(var_pop(value) filter (where mature) * count(*) filter (where mature), 0) as m2,
    coalesce(min(value) filter (where mature), 0) as lowest,
    coalesce(max(value) filter (where mature), 0) as highest,
    count(*) filter (where mature and value <> 0) as non_zero,
    count(*) filter (where not mature) as immature
from policies
group by metric, variant, contamination
order by metric, variant, contamination
