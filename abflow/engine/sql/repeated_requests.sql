-- one row per hash that several rows of the experiment with a request_id share; nearly always repeats of one request
select hash(request_id) as id_hash
from exposure_rows
where experiment_id = $experiment and request_id is not null
group by hash(request_id)
having count(*) > 1
