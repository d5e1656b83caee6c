-- one row per unit with exposures in the phase that were not known the day before
select
    unit_id,
    min({'entered': first_exposure, 'variant': first_variant, 'propensity': propensity, 'context': context}) as entry,
    min(lowest_variant) as lowest_variant,
    max(highest_variant) as highest_variant
from unit_days
where first_exposure >= {start} and first_exposure < {until} and (is_fresh or first_exposure >= {since})
group by unit_id
