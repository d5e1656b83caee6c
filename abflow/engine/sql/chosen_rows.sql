-- one row per row that a quantile reads of a chosen unit
select c.number as unit, r.amount
from rows_once as r
inner join readers as u on r.unit_id = u.unit_id and r.measure = u.measure
inner join chosen_units as c on u.unit_id = c.unit_id
where u.scope = $scope and u.mature and r.amount is not null and r.happened >= u.entered and r.happened < u.ends
