-- one row per unit, of some units of one variant: when it entered, in microseconds since the phase began
select entered_after
from present
where variant = $variant and number >= $first and number < $last
order by number
