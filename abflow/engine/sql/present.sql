-- one row per enrolled unit, numbered within its variant from 0
select
    variant,
    unit_id,
    entered,
    datediff('microsecond', cast($start as timestamp), entered) as entered_after,
    row_number() over (partition by variant order by unit_id) - 1 as number
from units
where enrolled
    and ($keep_crossed or not crossed)
