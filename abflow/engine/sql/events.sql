-- one row per event and measured column, within one day of the log: the earliest of its repeats.
-- Rows without an event_id are distinct. The whole row is compared, so that equal times have one answer.
select unit_id, event_type, measured, happened, amount, event_id
from measured_rows
where event_id is null
union all
select earliest.unit_id, event_type, measured, earliest.happened, earliest.amount, event_id
from (
    select event_type, measured, event_id, min({'happened': happened, 'unit_id': unit_id, 'amount': amount}) as earliest
    from measured_rows
    where event_id is not null
    group by event_id, event_type, measured
) as repeats
order by unit_id, happened, event_type, measured, event_id, amount
