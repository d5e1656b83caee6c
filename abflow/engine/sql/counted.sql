-- one row per enrolled unit, metric and way of treating units seen in two variants; values are capped
with capped as (
    select
        u.unit_id, u.metric, u.variant, u.entry_day, u.crossed, u.mature,
        least(u.x, coalesce(c.cap, u.x)) as x,
        u.y
    from unit_metrics as u
    left join caps as c on u.metric = c.metric
)

select 'exclude' as contamination, *
from capped
where not crossed
union all
select 'keep_first' as contamination, *
from capped
