-- one row per measure and id that stands in more than one file
select measure, id_low
from outcomes_with_ids
where id_low is not null
group by measure, id_low
having count(*) > 1
