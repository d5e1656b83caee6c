-- one row per impression
select
    timestamp,
    $experiment as experiment_id,
    policy || '-' || column00 as user_id,
    policy as variant,
    policy || '-' || column00 as request_id,
    item_id::varchar as item_id,
    position,
    propensity_score as propensity,
    timestamp::date as date
from impressions
order by timestamp, policy
