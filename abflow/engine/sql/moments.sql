-- one row per metric, variant and way of treating units seen in two variants.
-- `lowest` and `highest` are of the number whose mean is the metric: a ratio's units are linearised for it.
with sums as (
    select
        metric,
        variant,
        contamination,
        count(*) filter (where mature) as n,
        coalesce(avg(x) filter (where mature), 0) as mean_x,
        coalesce(var_pop(x) filter (where mature) * count(*) filter (where mature), 0) as m2_x,
        avg(y) filter (where mature) as mean_y,
        var_pop(y) filter (where mature) * count(*) filter (where mature) as m2_y,
        covar_pop(x, y) filter (where mature) * count(*) filter (where mature) as cross_xy,
        count(*) filter (where mature and x <> 0) as non_zero,
        count(*) filter (where not mature) as immature
    from counted
    group by metric, variant, contamination
),

numbers as (
    select
        c.metric,
        c.variant,
        c.contamination,
        case
            when s.mean_y is null then c.x
            else s.mean_x / s.mean_y + (c.x - s.mean_x / s.mean_y * c.y) / s.mean_y
        end as number
    from counted as c
    inner join sums as s on c.metric = s.metric and c.variant = s.variant and c.contamination = s.contamination
    where c.mature and coalesce(s.mean_y <> 0, true)
),

outermost as (
    select metric, variant, contamination, min(number) as lowest, max(number) as highest
    from numbers
    group by metric, variant, contamination
)

select
    s.metric,
    s.variant,
    s.contamination,
    s.n,
    s.mean_x,
    s.m2_x,
    s.mean_y,
    s.m2_y,
    s.cross_xy,
    coalesce(o.lowest, 0) as lowest,
    coalesce(o.highest, 0) as highest,
    s.non_zero,
    s.immature
from sums as s
left join outermost as o on s.metric = o.metric and s.variant = o.variant and s.contamination = o.contamination
order by s.metric, s.variant, s.contamination
