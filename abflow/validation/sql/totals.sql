-- totals.sql: one row
select
    (select count(*) from calls) as requests,
    (select count(*) from calls where failed) as failed,
    count(*) as pairs,
    count(logged_agree) as logged,
    count(*) filter (production_number is not null and shadow_number is not null) as numbers,
    count(*) filter (production_list is not null and shadow_list is not null) as lists,
    count(distinct production_number) as distinct_numbers
from pairs
