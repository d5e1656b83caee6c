-- one row: the unit days of a partition, those that belong to nobody or to no time, and the days between which they are
select
    count(*) as unit_days,
    count(*) filter (where unit_id is null or day is null) as broken,
    min(day) as first_day,
    max(day) as last_day
from read_parquet({file})
