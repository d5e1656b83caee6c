-- one row per kind of exposure in the log: of which experiment and variant, what answered, and how it went
select
    experiment_id,
    variant,
    model_version,
    fallback,
    count(*) as exposures,
    count(*) filter (where failed) as failed,
    count(*) filter (where happened is null) as without_time,
    -- Below 1e-100 a probability cannot be told from 0 once it is turned over and squared.
    count(*) filter (where not propensity between 1e-100 and 1) as of_impossible_propensity
from exposure_rows
group by experiment_id, variant, model_version, fallback
order by experiment_id, variant, model_version nulls first, fallback
