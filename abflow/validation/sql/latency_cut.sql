-- latency_cut.sql: one row for the arm; its quantile, if it has any call
select count(*) as calls, quantile_disc(ms, $q) as cut
from latencies
where arm = $arm
