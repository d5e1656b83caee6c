-- one row per variant, level, and whether units were seen in two variants: the sums of every metric
select variant, crossed, {level} as level, {sums}
from observed
group by variant, crossed, {level}
order by variant, crossed, level
