-- one row per request of this experiment and UTC day whose id is compared with those of other days: by its digest
select distinct id_low, day
from (
    select {id_low}, cast(happened as date) as day
    from exposure_rows
    where experiment_id = $experiment and request_id is not null
) as named
where id_low <= $highest
order by id_low, day
