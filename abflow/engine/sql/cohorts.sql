-- one row per variant, day of entry and kind of unit
select variant, entered::date as day, enrolled, crossed, count(*) as units
from enrolled
group by variant, day, enrolled, crossed
order by variant, day, enrolled, crossed
