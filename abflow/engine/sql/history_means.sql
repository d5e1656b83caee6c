-- one row per variant, and whether units were seen in two variants: mature units and the means of their numbers
select variant, crossed{means}
from histories
group by variant, crossed
order by variant, crossed
