-- one row per event and measure, each id once: its earliest row
select r.unit_id, r.measure, r.happened, r.amount
from rows_read as r
left join repeated_rows as d on r.id_low = d.id_low and r.id_high = d.id_high and r.measure = d.measure
where d.id_low is null
union all
select first_row.unit_id, measure, first_row.happened, first_row.amount
from repeated_rows
where first_row is not null
