-- one row per scope, variant, and whether units were seen in two variants: units that are not observed to the end
select scope, variant, crossed, count(*) filter (where not mature) as immature
from readers
group by scope, variant, crossed
