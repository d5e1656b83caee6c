-- one row per event and measure whose event_id no earlier row of the log has
select m.*
from measured_rows as m
left join ids_that_differ as d on m.event_id = d.event_id and {same_event} = d.same_event
where d.event_id is null or (m.happened = d.first_row.happened and m.unit_id = d.first_row.unit_id)
