-- one row per variant, and whether units were seen in two variants: products of the distances from the means, added up
select h.variant, h.crossed{products}
from histories as h
inner join history_means as m on h.variant = m.variant and h.crossed = m.crossed
group by h.variant, h.crossed
