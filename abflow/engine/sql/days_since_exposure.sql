-- one row per followed unit and day of 24 hours since it entered on which something happened
select u.variant, u.number, datediff('microsecond', u.entered, e.happened) // 86400000000 as day{sums}
from rows_once as e
inner join followed as u on e.unit_id = u.unit_id
where e.happened >= u.entered and e.happened < u.entered + {days}
group by u.variant, u.number, day
order by u.variant, u.number, day
