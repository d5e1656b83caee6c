-- agreement_of_numbers.sql: one row; numbers agree within half a standard deviation of production's
select
    count(*) as pairs,
    count(*) filter (abs(shadow_number - production_number) <= 0.5 * spread.sd) as agreements
from pairs, (select stddev_pop(production_number) as sd from pairs) as spread
