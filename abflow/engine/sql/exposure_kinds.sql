-- one row per kind of exposure in the log: of which experiment and variant, what answered, and how it went
select
    experiment_id,
    variant,
    model_version,
    fallback,
    cast(sum(exposures) as bigint) as exposures,
    cast(coalesce(sum(exposures) filter (where failed), 0) as bigint) as failed,
    -- Below 1e-100 a probability cannot be told from 0 once it is turned over and squared.
    count(*) filter (where not propensity between 1e-100 and 1) as of_impossible_propensity
from exposure_sorts
group by experiment_id, variant, model_version, fallback
order by experiment_id, variant, model_version nulls first, fallback
