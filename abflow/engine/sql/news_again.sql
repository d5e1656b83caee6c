-- one row per event and measure: the news of units that did not move, and all rows so far of those that did
with of_moved as (
    select r.unit_id, r.measure, r.happened, r.amount, r.id_high, r.id_low
    from all_rows as r
    where r.happened >= $start and r.happened < $until and r.unit_id in (select m.unit_id from moved as m)
),

ids as (
    select distinct id_low
    from of_moved
    where id_low is not null
),

ranked as (
    select r.*, rank() over (partition by {same_event}, r.id_high, r.id_low order by r.happened, r.unit_id) as place
    from all_rows as r
    inner join ids as i on r.id_low = i.id_low
    where r.happened < $until
),

earliest as (
    select measure, id_high, id_low, min({'happened': happened, 'unit_id': unit_id, 'amount': amount}) as first_row
    from ranked
    where place = 1
    group by measure, id_high, id_low
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
