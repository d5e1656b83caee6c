-- one row per unit that was exposed in the phase; `enrolled` tells whether early enough to count
select
    unit_id,
    entered,
    cast(entered as date) as entry_day,
    variant,
    lowest_variant <> highest_variant as crossed,
    entered < {enroll_end} as enrolled,
    propensity,
    context{totals}
from state_file
