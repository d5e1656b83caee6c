-- one row per request of this experiment and UTC day: the earliest of its repeats.
-- Rows without a request_id are distinct.
select happened, unit_id, variant, model_version, fallback
from exposure_rows
where experiment_id = $experiment and request_id is null
union all
select
    min(happened) as happened,
    arg_min(unit_id, row(happened, unit_id, variant)) as unit_id,
    arg_min(variant, row(happened, unit_id, variant)) as variant,
    arg_min(model_version, row(happened, unit_id, variant)) as model_version,
    arg_min(fallback, row(happened, unit_id, variant)) as fallback
from exposure_rows
where experiment_id = $experiment and request_id is not null
group by request_id, happened::date
