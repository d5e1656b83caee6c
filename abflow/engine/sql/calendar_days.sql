-- one row per enrolled unit and UTC day on which something happened after it entered
select u.variant, u.number, datediff('microsecond', {start}, e.happened) // 86400000000 as day{sums}
from rows_once as e
inner join present as u on e.unit_id = u.unit_id
where e.happened >= u.entered and e.happened < {end}
group by u.variant, u.number, day
order by u.variant, u.number, day
