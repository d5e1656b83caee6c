-- one row per variant: a ratio's smallest and largest unit, linearised around the ratio of its variant
select
    o.variant,
    min(r.ratio + (o.{x} - r.ratio * o.{y}) / r.mean_y) as lowest,
    max(r.ratio + (o.{x} - r.ratio * o.{y}) / r.mean_y) as highest
from observed as o
inner join ratios as r on o.variant = r.variant
where o.{mature} and ($keep_crossed or not o.crossed)
group by o.variant
