-- one row per unit that was exposed in the phase; `enrolled` tells whether early enough to count
select
    unit_id,
    min(first_exposure) as entered,
    arg_min(first_variant, row(first_exposure, first_variant)) as variant,
    min(lowest_variant) <> max(highest_variant) as crossed,
    min(first_exposure) < $enroll_end as enrolled
from unit_days
where first_exposure >= $start and first_exposure < $cut_off
group by unit_id
