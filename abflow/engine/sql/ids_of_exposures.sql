-- one row per request that stands in a file of another day than its own
select distinct id_low
from exposures_filed
where id_low is not null and cast(happened as date) <> day
