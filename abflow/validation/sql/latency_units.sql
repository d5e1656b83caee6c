-- latency_units.sql: one row for the arm; whole-number sums over units of their calls and of those at or below the cut
with units as (
    select count(*) as calls, count(*) filter (ms <= $cut) as below
    from latencies
    where arm = $arm
    group by unit
)

select
    count(*) as units,
    sum(calls)::hugeint as calls,
    sum(below)::hugeint as below,
    sum(calls * calls)::hugeint as calls_calls,
    sum(below * below)::hugeint as below_below,
    sum(calls * below)::hugeint as calls_below
from units
