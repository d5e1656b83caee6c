-- one row per chosen unit, in their order: what some table has of it
select {numbers}
from {units} as o
inner join chosen_units as c on o.unit_id = c.unit_id
order by c.number
