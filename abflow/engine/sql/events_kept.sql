-- one row per measure: what a partition of events holds of it
select
    measure,
    count(*) as events,
    count(unit_id) as with_units,
    count(happened) as with_times,
    count(amount) filter (where isfinite(amount)) as with_amounts,
    count(id_low) > 0 as with_id,
    max(happened) as latest,
    count(*) filter (where {of_day}) > 0 as of_day,
    coalesce(max(abs(amount)), 0) as largest
from read_parquet({file})
group by measure
order by measure
