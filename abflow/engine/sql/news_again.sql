-- one row per event and measure: the news of units that did not move, and all rows so far of those that did
with of_moved as (
    select r.unit_id, r.measure, r.happened, r.amount, r.id_high, r.id_low
    from all_rows as r
    where r.happened < $until and r.unit_id in (select m.unit_id from moved as m)
),

ids as (
    select distinct measure, id_high, id_low
    from of_moved
    where id_low is not null
),

earliest as (
    select r.measure, r.id_high, r.id_low, min({'happened': r.happened, 'unit_id': r.unit_id, 'amount': r.amount}) as first_row
    from all_rows as r
    inner join ids as i on r.id_low = i.id_low and r.id_high = i.id_high and r.measure = i.measure
    where r.happened < $until
    group by r.measure, r.id_high, r.id_low
)

select n.unit_id, n.measure, n.happened, n.amount, n.id_high, n.id_low
from {news} as n
where n.unit_id not in (select m.unit_id from moved as m)
union all
select unit_id, measure, happened, amount, id_high, id_low
from of_moved
where id_low is null
union all
select first_row.unit_id, measure, first_row.happened, first_row.amount, id_high, id_low
from earliest
where first_row.unit_id in (select m.unit_id from moved as m)
