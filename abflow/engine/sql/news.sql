-- one row per event and measure that was not known the day before
select unit_id, measure, happened, amount, id_high, id_low
from event_rows
where happened < {until} and (is_fresh or happened >= {since})
