-- one row per kind of exposure in the log and what it says of its unit: everything that few exposures say differently
select
    experiment_id,
    variant,
    model_version,
    fallback,
    propensity,
    context,
    failed,
    count(*) as exposures
from exposure_rows
group by experiment_id, variant, model_version, fallback, propensity, context, failed
