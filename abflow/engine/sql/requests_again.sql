-- one row: of the ids that are compared, how many there are, on how many days more than one they stand, and in how
-- many files more than one of the same day
select
    count(*) as compared,
    cast(coalesce(sum(days - 1), 0) as bigint) as other_days,
    cast(coalesce(sum(places - days), 0) as bigint) as other_files
from (
    select id_low, count(distinct day) as days, count(*) as places
    from requests_compared
    where id_low <= $highest and day >= $start and day < $until
    group by id_low
) as ids
