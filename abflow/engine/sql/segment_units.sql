-- one row per variant and level of a segment: its enrolled units
select variant, {level} as level, count(*) as units
from units
where enrolled
group by variant, {level}
order by variant, level
