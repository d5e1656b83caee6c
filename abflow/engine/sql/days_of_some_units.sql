-- one row per unit and day on which something happened, of some units of one variant
select number - $first as place, day, {sums}
from {days}
where variant = $variant and number >= $first and number < $last
