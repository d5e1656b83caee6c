-- one row per unit exposed in the phase: its first exposure, the variants it was seen in, and its totals so far
select
    unit_id,
    entry.entered as entered,
    entry.variant as variant,
    entry.propensity as propensity,
    entry.context as context,
    lowest_variant,
    highest_variant{totals}
from ({state}) as state
-- The same log always makes the same bytes.
order by unit_id
