-- one row per event and measure that was not known the day before, each id once
select n.unit_id, n.measure, n.happened, n.amount, n.id_high, n.id_low
from {news} as n
left join repeats as r on n.id_low = r.id_low and n.id_high = r.id_high and n.measure = r.measure
where r.id_low is null
union all
select new_row.unit_id, measure, new_row.happened, new_row.amount, id_high, id_low
from repeats
where known_row is null and new_row is not null
