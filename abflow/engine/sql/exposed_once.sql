-- one row per unit with exposures in the phase that were not known the day before, where each has one row
select
    unit_id,
    {'entered': first_exposure, 'variant': first_variant, 'propensity': propensity, 'context': context} as entry,
    lowest_variant,
    highest_variant
from unit_days
where first_exposure >= {start} and first_exposure < {until}
