-- one row per unit exposed so far, with its totals at the end of the day
select u.unit_id, u.entry, u.lowest_variant, u.highest_variant{totals}
from known_units as u
left join added as a on u.unit_id = a.unit_id
left join moved as m on u.unit_id = m.unit_id
