-- one row per unit of another experiment in the same log and UTC day of its exposures
select
    experiment_id,
    unit_id,
    cast(happened as date) as day,
    min({'happened': happened, 'variant': variant}) as first_exposure
from exposure_rows
where experiment_id <> $experiment and unit_id is not null and happened is not null and variant is not null
group by experiment_id, unit_id, day
order by experiment_id, unit_id, day
