-- one row per unit with news: what they add to its totals
select e.unit_id{totals}
from {news} as e
inner join (select unit_id, entry.entered as entered from known_units) as u on e.unit_id = u.unit_id
where e.happened >= u.entered
group by e.unit_id
