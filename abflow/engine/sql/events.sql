-- one row per event and measure, within one day of the log, in the order of the log; no event_id stands twice
select unit_id, measure, happened, amount, {key}
from measured_rows
