-- one row per unit and UTC day of its exposures, within one day of the log.
-- Time and variant of an exposure are one number, `rank`, which is compared many times faster than a pair:
-- microseconds times the number of variants, plus the variant's place in the alphabet. Equal times have one answer.
select
    unit_id,
    day,
    make_timestamp(entry.rank // {count}) as first_exposure,
    list_extract({variants}, 1 + entry.rank % {count}) as first_variant,
    entry.propensity as propensity,
    entry.context as context,
    list_extract({variants}, 1 + lowest) as lowest_variant,
    list_extract({variants}, 1 + highest) as highest_variant,
    last_exposure,
    exposures
from (
    select
        unit_id,
        cast(happened as date) as day,
        {entry} as entry,
        min(place) as lowest,
        max(place) as highest,
        max(happened) as last_exposure,
        count(*) as exposures
    from (select *, {place} as place, epoch_us(happened) * {count} + {place} as rank from exposures_once) as ranked
    group by unit_id, day
) as unit_days
order by unit_id, day
