-- one row per mature unit of one metric, under one way of treating units seen in two variants
select variant, {numbers}
from {units}
where {mature} and ($keep_crossed or not crossed)
order by variant, unit_id
