-- one row per id of the news that may have been there before; half an id tells nearly all of them apart
select distinct r.id_low
from earlier_rows as r
where
    r.happened < $since
    and exists (select 1 from news as n where n.id_low = r.id_low)
