-- one row per mature unit with rows: how many of them are at or below the quantile of all arms, and how many it has
select variant, {numbers}
from unit_rows
where $keep_crossed or not crossed
order by variant, unit_id
