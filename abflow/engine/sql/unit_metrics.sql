-- one row per enrolled unit and metric: what the unit did within the metric's window, zero where nothing.
-- `x` is the metric's number, of a ratio its numerator; `y` is a ratio's denominator and else null.
-- Repeats of an event_id on several days of the log count once: the earliest.
with events_once as (
    select unit_id, event_type, measured, happened, amount
    from events
    where event_id is null
    union all
    select earliest.unit_id, event_type, measured, earliest.happened, earliest.amount
    from (
        select event_type, measured, min({'happened': happened, 'unit_id': unit_id, 'amount': amount}) as earliest
        from events
        where event_id is not null
        group by event_id, event_type, measured
    ) as repeats
),

totals as (
    select
        u.unit_id,
        p.metric,
        p.part,
        case p.use when 'any' then 1.0 when 'count' then count(*)::double when 'sum' then sum(e.amount) end as total
    from events_once as e
    inner join parts as p on e.event_type = p.event_type and e.measured = p.measured
    inner join enrolled as u on e.unit_id = u.unit_id
    where
        u.enrolled
        and e.happened >= u.entered
        and e.happened < least(coalesce(u.entered + p.window_days * interval 1 day, $cut_off), $cut_off)
    group by u.unit_id, p.metric, p.part, p.use
)

select
    u.unit_id,
    u.variant,
    u.crossed,
    u.entered::date as entry_day,
    m.metric,
    coalesce(u.entered + m.window_days * interval 1 day <= $cut_off, true) as mature,
    coalesce(x.total, 0) as x,
    case when m.is_ratio then coalesce(y.total, 0) end as y
from enrolled as u
cross join metrics as m
left join totals as x on u.unit_id = x.unit_id and m.metric = x.metric and x.part = 'x'
left join totals as y on u.unit_id = y.unit_id and m.metric = y.metric and y.part = 'y'
where u.enrolled
order by m.metric, u.unit_id
