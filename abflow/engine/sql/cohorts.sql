-- one row per variant, day of entry and kind of unit
select variant, entry_day as day, enrolled, crossed, count(*) as units
from units
group by variant, day, enrolled, crossed
order by variant, day, enrolled, crossed
