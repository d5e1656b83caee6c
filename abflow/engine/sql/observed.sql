-- one row per enrolled unit: what it did in every metric within the metric's window, zero where nothing
select unit_id, variant, crossed, entry_day, context{metrics}
from units
where enrolled
