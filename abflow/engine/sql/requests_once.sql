-- one row per request of this experiment and UTC day. Rows without a request_id are distinct
select {columns}
from exposure_rows as e
left join repeated_requests as r on e.request_id is not null and hash(e.request_id) = r.id_hash
where e.experiment_id = {experiment} and r.id_hash is null
union all
select {columns}
from earliest_requests
