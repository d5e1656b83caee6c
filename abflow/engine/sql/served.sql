-- one row per variant, answering model version and kind of answer, within one day of the log
select variant, model_version, fallback, count(*) as exposures, count(*) filter (where failed) as failed
from exposures_once
group by variant, model_version, fallback
order by variant, model_version nulls first, fallback
