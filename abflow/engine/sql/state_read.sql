-- one row per unit, as the state of an earlier day has it
select
    unit_id,
    {'entered': entered, 'variant': variant, 'propensity': propensity, 'context': context} as entry,
    lowest_variant,
    highest_variant{totals}
from state_file
