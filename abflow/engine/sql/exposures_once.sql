-- one row per request of this experiment and UTC day: the earliest of its repeats.
-- Rows without a request_id are distinct. The whole row is compared, so that equal times have one answer.
select request_id, happened, unit_id, variant, model_version, fallback
from exposure_rows
where experiment_id = $experiment and request_id is null
union all
select
    request_id,
    unnest(
        min({
            'happened': happened, 'unit_id': unit_id, 'variant': variant, 'model_version': model_version,
            'fallback': fallback
        })
    )
from exposure_rows
where experiment_id = $experiment and request_id is not null
group by request_id, happened::date
