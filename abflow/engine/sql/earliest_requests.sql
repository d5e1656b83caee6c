-- one row per request of this experiment and UTC day: the earliest of its repeats.
-- Rows without a request_id are distinct. The whole row is compared, so that equal times have one answer.
select experiment_id, request_id, {columns}
from exposure_rows
where experiment_id = $experiment and request_id is null
union all
select experiment_id, request_id, earliest.*
from (
    select
        experiment_id,
        request_id,
        min({earliest}) as earliest
    from exposure_rows
    where experiment_id = $experiment and request_id is not null
    group by experiment_id, request_id, cast(happened as date)
) as repeats
