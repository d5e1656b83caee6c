-- one row per event and measured column, within one day of the log: the earliest of its repeats.
-- Rows without an event_id are distinct.
select unit_id, event_type, measured, happened, amount, event_id
from measured_rows
where event_id is null
union all
select
    arg_min(unit_id, row(happened, unit_id)) as unit_id,
    event_type,
    measured,
    min(happened) as happened,
    arg_min(amount, row(happened, unit_id)) as amount,
    event_id
from measured_rows
where event_id is not null
group by event_id, event_type, measured
order by unit_id, happened, event_type, measured, event_id, amount
