-- one row per event and measure, where no id stands in more than one file
select unit_id, measure, happened, amount
from rows_read
