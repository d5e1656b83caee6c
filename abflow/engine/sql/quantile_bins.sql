-- one row per scope, variant, whether units were seen in two variants, and bin: rows by the logarithm of their value
select
    u.scope,
    u.variant,
    u.crossed,
    cast(
        case when r.amount = 0 then 0 else sign(r.amount) * (150000 + floor(ln(abs(r.amount)) / ln(1.005))) end as bigint
    ) as bin,
    count(*) as row_count,
    min(r.amount) as lowest,
    max(r.amount) as highest
from rows_once as r
inner join readers as u on r.unit_id = u.unit_id and r.measure = u.measure
where u.mature and r.amount is not null and r.happened >= u.entered and r.happened < u.ends
group by u.scope, u.variant, u.crossed, bin
order by u.scope, u.variant, u.crossed, bin
