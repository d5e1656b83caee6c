-- one row per unit and UTC day of its exposures, within one day of the log.
-- The rank of an exposure is its time, its variant and what it says; see `entries`. Equal times have one answer.
select
    unit_id,
    day,
    make_timestamp({rank} // {sayings} // {count}) as first_exposure,
    list_extract({variants}, 1 + {rank} // {sayings} % {count}) as first_variant,
    {propensity} as propensity,
    {context} as context,
    {lowest} as lowest_variant,
    {highest} as highest_variant,
    exposures
from (
    select
        unit_id,
        cast(happened as date) as day,
        {first} as first,
        bit_or(cast(1 as bigint) << place) as seen,
        count(*) as exposures
    from (
        select *, {place} as place, (epoch_us(happened) * {count} + {place}) * {sayings} + {number} as rank
        from exposures_once
    ) as ranked
    group by unit_id, day
) as unit_days
-- The same log always makes the same bytes.
order by unit_id, day
