-- one row per id of the news that stands in the file of an earlier day
select distinct id_low
from event_rows
where id_low is not null and not is_fresh and happened >= $since and happened < $until
