-- one row per enrolled unit under one way of treating units seen in two variants, numbered by id; of many every n-th
select unit_id, (place - 1) // {step} as number
from (
    select unit_id, row_number() over (order by unit_id) as place
    from units
    where enrolled and ($keep_crossed or not crossed)
) as placed
where (place - 1) % {step} = 0
