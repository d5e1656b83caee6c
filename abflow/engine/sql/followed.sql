-- one row per enrolled unit that was observed for some days, numbered within its variant from 0
select variant, unit_id, entered, row_number() over (partition by variant order by unit_id) - 1 as number
from units
where enrolled
    and ($keep_crossed or not crossed)
    and entered + {days} <= $cut_off
