-- one row per request that stands in the log more than once and UTC day: the earliest of its repeats.
-- The whole row is compared, so that equal times have one answer.
select request_id, earliest.*
from (
    select e.request_id, min({earliest}) as earliest
    from exposure_rows as e
    inner join repeated_requests as r on hash(e.request_id) = r.id_hash
    where e.experiment_id = $experiment and e.request_id is not null
    group by e.request_id, cast(e.happened as date)
) as repeats
