-- one row per other experiment, variant here and variant there: enrolled units that were exposed there as well
select o.experiment_id as experiment, u.variant, o.first_exposure.variant as other_variant, count(*) as units
from (
    select experiment_id, unit_id, min(first_exposure) as first_exposure
    from other_units
    where first_exposure.happened < $cut_off
    group by experiment_id, unit_id
) as o
inner join units as u on o.unit_id = u.unit_id
where u.enrolled
group by o.experiment_id, u.variant, o.first_exposure.variant
order by experiment, u.variant, other_variant
