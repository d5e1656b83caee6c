-- one row per variant, level, and whether units were seen in two variants: squared distances from the means
select o.variant, o.crossed, o.level, {squares}
from (select *, {level} as level from observed) as o
inner join means as m on o.variant = m.variant and o.crossed = m.crossed and o.level = m.level
group by o.variant, o.crossed, o.level
