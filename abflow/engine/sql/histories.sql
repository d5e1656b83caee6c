-- one row per enrolled unit: what it did in every metric, and the same before its first exposure, zero where nothing
select o.unit_id, o.variant, o.crossed{numbers}
from observed as o
left join past as p on o.unit_id = p.unit_id
