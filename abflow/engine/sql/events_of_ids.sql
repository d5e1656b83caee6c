-- one row per event and measure, within one day of the log: the earliest of its repeats.
-- Rows without an event_id are distinct. The whole row is compared, so that equal times have one answer.
select unit_id, measure, happened, amount, {key}
from (
    select unit_id, measure, happened, amount, event_id
    from {rows}
    where event_id is null
    union all
    select earliest.unit_id, measure, earliest.happened, earliest.amount, event_id
    from (
        select measure, event_id, min({'happened': happened, 'unit_id': unit_id, 'amount': amount}) as earliest
        from {rows}
        where event_id is not null
        group by event_id, measure
    ) as repeats
) as once
order by unit_id, happened, measure, event_id, amount
