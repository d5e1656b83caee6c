-- one row per mature unit of one metric, under one way of treating units seen in two variants
select variant, x, y
from counted
where metric = $metric and contamination = $contamination and mature
order by variant, unit_id
