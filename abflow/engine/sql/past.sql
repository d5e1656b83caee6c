-- one row per enrolled unit that did something in the days before its first exposure: what that adds up to
select u.unit_id{totals}
from rows_once as e
inner join units as u on e.unit_id = u.unit_id
where
    u.enrolled
    -- Files hold their rows by time: what no unit can need is not read.
    and e.happened >= $earliest
    and e.happened < u.entered
    and e.happened >= u.entered - interval {days} day
group by u.unit_id
