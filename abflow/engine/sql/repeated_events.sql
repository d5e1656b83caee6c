-- one row per hash that several rows of a measure with an event_id share; nearly always repeats of one event
select hash(event_id, measure) as id_hash
from measured_rows
where event_id is not null
group by hash(event_id, measure)
having count(*) > 1
