-- one row per event and measure, within one day of the log: the earliest of its repeats.
-- Rows without an event_id are distinct. The whole row is compared, so that equal times have one answer.
select unit_id, measure, happened, amount, {key}
from (
    select e.unit_id, e.measure, e.happened, e.amount, e.event_id
    from {rows} as e
    left join repeated_events as r on e.event_id is not null and hash(e.event_id, e.measure) = r.id_hash
    where r.id_hash is null
    union all
    select earliest.unit_id, measure, earliest.happened, earliest.amount, event_id
    from (
        select e.measure, e.event_id, min({'happened': e.happened, 'unit_id': e.unit_id, 'amount': e.amount}) as earliest
        from {rows} as e
        inner join repeated_events as r on hash(e.event_id, e.measure) = r.id_hash
        where e.event_id is not null
        group by e.event_id, e.measure
    ) as repeats
) as once
-- The same log always makes the same bytes.
order by unit_id, happened, measure, event_id, amount
