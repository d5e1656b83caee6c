-- one row per measure: what became of its rows, each id once
select
    r.measure,
    count(*) as kept,
    count(*) filter (where r.happened >= $cut_off) as after_cut_off,
    count(*) filter (where r.happened < $cut_off and u.unit_id is null) as never_exposed,
    count(*) filter (where r.happened < $cut_off and not u.enrolled) as not_enrolled,
    count(*) filter (where r.happened < $cut_off and u.enrolled and r.happened < u.entered) as before_exposure{windows}
from rows_once as r
left join units as u on r.unit_id = u.unit_id
group by r.measure
order by r.measure
