-- latencies.sql: one row per arm and answered call; failed calls have no latency
create view latencies as
select 'production' as arm, unit, production_ms as ms
from calls
where production_ms >= 0
union all
select 'shadow' as arm, unit, shadow_ms as ms
from calls
where not failed and shadow_ms >= 0
