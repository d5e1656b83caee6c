-- one row: how many rows that some metric reads nobody could count
select
    count(*) filter (where happened is null) as without_time,
    count(*) filter (where unit_id is null) as without_unit,
    count(*) filter (where not is_counted and (amount is null or not isfinite(amount))) as without_number
from measured_rows
