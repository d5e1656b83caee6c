-- one row per unit and day since it entered on which something happened, of some units of one variant
select number - $first as place, day, {sums}
from days_since_exposure
where variant = $variant and number >= $first and number < $last
