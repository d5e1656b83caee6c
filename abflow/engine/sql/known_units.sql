-- one row per unit exposed so far. `moved`: it entered earlier than was known, so its events of earlier days count anew
select
    coalesce(s.unit_id, e.unit_id) as unit_id,
    case when s.unit_id is null or e.entry < s.entry then e.entry else s.entry end as entry,
    least(s.lowest_variant, e.lowest_variant) as lowest_variant,
    greatest(s.highest_variant, e.highest_variant) as highest_variant,
    coalesce(e.entry.entered < coalesce(s.entry.entered, $since), false) as moved{totals}
from ({state}) as s
full outer join ({exposed}) as e on s.unit_id = e.unit_id
