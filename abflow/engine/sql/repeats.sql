-- one row per id and measure that was there before or may stand twice among the news:
-- the row that counted until now, and the one that counts from now on.
-- Of an event the earliest row of an id counts, and only for a measure that reads that row.
with known as (
    select r.measure, r.id_high, r.id_low, r.happened, r.unit_id, r.amount
    from earlier_rows as r
    inner join again as a on r.id_low = a.id_low
    where r.happened < $since
),

so_far as (
    select measure, id_high, id_low, happened, unit_id, amount
    from known
    union all
    select n.measure, n.id_high, n.id_low, n.happened, n.unit_id, n.amount
    from news as n
    inner join again as a on n.id_low = a.id_low
),

known_ranked as (
    select *, rank() over (partition by {same_event}, id_high, id_low order by happened, unit_id) as place
    from known
),

ranked as (
    select *, rank() over (partition by {same_event}, id_high, id_low order by happened, unit_id) as place
    from so_far
),

known_rows as (
    select measure, id_high, id_low, min({'happened': happened, 'unit_id': unit_id, 'amount': amount}) as known_row
    from known_ranked
    where place = 1
    group by measure, id_high, id_low
),

new_rows as (
    select measure, id_high, id_low, min({'happened': happened, 'unit_id': unit_id, 'amount': amount}) as new_row
    from ranked
    where place = 1
    group by measure, id_high, id_low
)

select s.measure, s.id_high, s.id_low, n.new_row, k.known_row
from (select distinct measure, id_high, id_low from so_far) as s
left join new_rows as n on s.id_low = n.id_low and s.id_high = n.id_high and s.measure = n.measure
left join known_rows as k on s.id_low = k.id_low and s.id_high = k.id_high and s.measure = k.measure
