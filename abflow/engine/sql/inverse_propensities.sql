-- one row per variant, level, and whether units were seen in two variants: how likely their variant was, turned over
with weighed as (
    select variant, {level} as level, crossed, 1 / propensity as weight
    from units
    where enrolled and propensity is not null
),

means as (
    select variant, level, crossed, count(*) as n, {sum} / count(*) as mean
    from weighed
    group by variant, level, crossed
)

select m.variant, m.level, m.crossed, m.n, m.mean, {squares} as m2
from weighed as w
inner join means as m on w.variant = m.variant and w.level = m.level and w.crossed = m.crossed
group by m.variant, m.level, m.crossed, m.n, m.mean
order by m.variant, m.level, m.crossed
