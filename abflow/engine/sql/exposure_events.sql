-- one row per request of this experiment, in the shape of an event that is only counted.
-- A request counts once per UTC day, so a repeat in another day's file is found by its id and its day.
select
    unit_id,
    'exposures' as event_type,
    '' as measured,
    happened,
    cast(null as double) as amount,
    request_id || ' ' || happened::date::varchar as event_id
from exposures_once
order by unit_id, happened, event_id
