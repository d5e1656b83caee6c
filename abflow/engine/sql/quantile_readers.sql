-- one row per enrolled unit and scope of rows: from when to when its rows count, if it is observed to the end
select
    {scope} as scope,
    {measure} as measure,
    unit_id,
    variant,
    crossed,
    entered,
    {ends} as ends,
    {ends} <= $cut_off as mature
from units
where enrolled
