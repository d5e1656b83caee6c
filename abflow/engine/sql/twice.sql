-- one row per id and measure that stands twice among the news
select measure, id_high, id_low
from news
where id_low is not null
group by measure, id_high, id_low
having count(*) > 1
