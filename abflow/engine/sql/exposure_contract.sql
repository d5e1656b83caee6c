-- one row: how many rows nobody could count
select
    count(*) filter (
        where experiment_id = $experiment and variant is not null and not list_contains($variants, variant)
    ) as of_unknown_variants,
    count(*) filter (where experiment_id = $experiment and not propensity between 1e-100 and 1) as of_impossible_propensity,
    count(*) filter (where experiment_id is null) as without_experiment,
    count(*) filter (where experiment_id = $experiment and happened is null) as without_time,
    count(*) filter (where experiment_id = $experiment and unit_id is null) as without_unit,
    count(*) filter (where experiment_id = $experiment and variant is null) as without_variant
from exposure_rows
