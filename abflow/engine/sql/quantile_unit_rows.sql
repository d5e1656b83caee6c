-- one row per scope and mature unit with rows: how many it has, and how many of them at or below each cut
select u.scope, u.unit_id, u.variant, u.crossed, count(*) as y{below}
from rows_once as r
inner join readers as u on r.unit_id = u.unit_id and r.measure = u.measure
inner join cuts as c on u.scope = c.scope and u.variant = c.variant
where u.mature and r.amount is not null and r.happened >= u.entered and r.happened < u.ends
group by u.scope, u.unit_id, u.variant, u.crossed
