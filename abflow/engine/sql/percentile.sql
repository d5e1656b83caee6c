-- one row: a percentile of one metric over all mature units of all variants together
select quantile_cont({x}, $quantile)
from observed
where {mature} and ({x} > 0 or not $positive)
