-- one row per measure and id that may stand in more than one file: the row that counts, if there is one.
-- Of an event the earliest row of an id counts, and only for a measure that reads that row.
-- The whole row is compared, so that equal times have one answer.
with shared as (
    select {same_event} as same_event, r.*
    from rows_known as r
    inner join shared_ids as s on r.id_low = s.id_low
),

ranked as (
    select
        *,
        rank() over (partition by same_event, id_high, id_low order by happened, unit_id, not is_aa) as place
    from shared
),

counted as (
    select measure, id_high, id_low, min({'happened': happened, 'unit_id': unit_id, 'amount': amount}) as first_row
    from ranked
    where place = 1 and not is_aa and measure in ({labels})
    group by measure, id_high, id_low
)

select s.measure, s.id_high, s.id_low, c.first_row
from (select distinct measure, id_high, id_low from shared where not is_aa and measure in ({labels})) as s
left join counted as c on s.id_low = c.id_low and s.id_high = c.id_high and s.measure = c.measure
