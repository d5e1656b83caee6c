-- one row per id and measure of the news that was there before
select distinct r.measure, r.id_high, r.id_low
from earlier_rows as r
where
    r.happened < $since
    and exists (
        select 1 from news as n
        where n.id_low = r.id_low and n.id_high = r.id_high and n.measure = r.measure
    )
