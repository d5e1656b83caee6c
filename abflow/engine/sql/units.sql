-- one row per unit and UTC day of its exposures, within one day of the log
select
    unit_id,
    happened::date as day,
    min(happened) as first_exposure,
    arg_min(variant, row(happened, variant)) as first_variant,
    min(variant) as lowest_variant,
    max(variant) as highest_variant,
    count(*) as exposures
from exposures_once
group by unit_id, day
order by unit_id, day
