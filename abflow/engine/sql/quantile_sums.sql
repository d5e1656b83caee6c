-- one row per scope, variant, and whether units were seen in two variants: sums over units with rows
select scope, variant, crossed, count(*) as n, sum(y) as y, sum(y * y) as y_squared{sums}
from unit_rows
group by scope, variant, crossed
