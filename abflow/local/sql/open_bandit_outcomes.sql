-- one row per click; the log gives a click the time of its impression
select
    timestamp,
    policy || '-' || column00 as user_id,
    'click' as event_type,
    policy || '-' || column00 as event_id,
    item_id::varchar as item_id,
    timestamp::date as date
from impressions
where click = 1
order by timestamp, policy
