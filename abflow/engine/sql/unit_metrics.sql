-- one row per enrolled unit and metric: what the unit did within the metric's window, zero where nothing.
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
    select u.unit_id, m.metric, count(*) as events, sum(e.amount) as amount
    from events_once as e
    inner join metrics as m on e.event_type = m.event_type and e.measured = m.measured
    inner join enrolled as u on e.unit_id = u.unit_id
    where
        u.enrolled
        and e.happened >= u.entered
        and e.happened < least(coalesce(u.entered + m.window_days * interval 1 day, $cut_off), $cut_off)
    group by u.unit_id, m.metric
)

select
    u.unit_id,
    u.variant,
    u.crossed,
    m.metric,
    coalesce(u.entered + m.window_days * interval 1 day <= $cut_off, true) as mature,
    case m.kind
        when 'proportion' then (coalesce(t.events, 0) > 0)::double
        when 'count' then coalesce(t.events, 0)::double
        when 'mean' then coalesce(t.amount, 0)
    end as value
from enrolled as u
cross join metrics as m
left join totals as t on u.unit_id = t.unit_id and m.metric = t.metric
where u.enrolled
order by m.metric, u.unit_id
