-- one row per id and measure that was there before or stands twice among the news:
-- the earliest of the news, and the earliest row that was known
with new_rows as (
    select
        n.measure, n.id_high, n.id_low,
        min({'happened': n.happened, 'unit_id': n.unit_id, 'amount': n.amount}) as new_row
    from news as n
    inner join again as a on n.id_low = a.id_low and n.id_high = a.id_high and n.measure = a.measure
    group by n.measure, n.id_high, n.id_low
),

known_rows as (
    select
        r.measure, r.id_high, r.id_low,
        min({'happened': r.happened, 'unit_id': r.unit_id, 'amount': r.amount}) as known_row
    from earlier_rows as r
    inner join again as a on r.id_low = a.id_low and r.id_high = a.id_high and r.measure = a.measure
    where r.happened < $since
    group by r.measure, r.id_high, r.id_low
)

select n.measure, n.id_high, n.id_low, n.new_row, k.known_row
from new_rows as n
left join known_rows as k on n.id_low = k.id_low and n.id_high = k.id_high and n.measure = k.measure
