-- one row per id that stands in more than one file
select id_low
from outcomes_filed
where id_low is not null
group by id_low
having min(day) <> max(day)
