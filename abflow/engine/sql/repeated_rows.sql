-- one row per measure and id that stands in more than one file: its earliest row.
-- The whole row is compared, so that equal times have one answer.
select
    r.measure,
    r.id_high,
    r.id_low,
    min({'happened': r.happened, 'unit_id': r.unit_id, 'amount': r.amount}) as first_row
from rows_read as r
inner join shared_ids as s on r.id_low = s.id_low and r.measure = s.measure
group by r.measure, r.id_high, r.id_low
having count(*) > 1
