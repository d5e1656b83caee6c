-- one row: a percentile of one metric over all mature units of all variants together
select quantile_cont(x, $quantile)
from unit_metrics
where metric = $metric and mature and (x > 0 or not $positive)
