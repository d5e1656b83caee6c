-- one row per metric, variant, way of treating units seen in two variants, and day of entry
select
    metric,
    variant,
    contamination,
    entry_day,
    count(*) as n,
    avg(x) as mean_x,
    var_pop(x) * count(*) as m2_x,
    avg(y) as mean_y,
    var_pop(y) * count(*) as m2_y,
    covar_pop(x, y) * count(*) as cross_xy,
    count(*) filter (where x <> 0) as non_zero
from counted
where mature
group by metric, variant, contamination, entry_day
order by metric, variant, contamination, entry_day
