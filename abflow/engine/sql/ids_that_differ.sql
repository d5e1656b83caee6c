-- one row per filtered event and event_id whose rows in the log differ in time or unit: the earliest of them
select
    same_event,
    event_id,
    min({'happened': happened, 'unit_id': unit_id}) as first_row
from (
    select {same_event} as same_event, event_id, happened, unit_id
    from measured_rows
    where event_id is not null and measure in ({filtered})
) as named
group by same_event, event_id
having min(happened) <> max(happened) or min(unit_id) <> max(unit_id)
