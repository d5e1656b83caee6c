-- calls.sql: one row per mirrored request
-- Without a user the request is its own unit; the prefixes keep the two kinds of names apart.
create temp table calls as
with given as (
    select
        coalesce('user ' || user_id, 'request ' || request_id) as unit,
        coalesce(shadow_error is not null or shadow_latency_ms__value < 0, false) as failed,
        production_latency_ms__value as production_ms,
        shadow_latency_ms__value as shadow_ms,
        production_prediction as production,
        shadow_prediction as shadow,
        try_cast(production_prediction as double) as production_number,
        try_cast(shadow_prediction as double) as shadow_number,
        case when starts_with(ltrim(production_prediction), '[') then try_cast(production_prediction as json) end
            as production_json,
        case when starts_with(ltrim(shadow_prediction), '[') then try_cast(shadow_prediction as json) end
            as shadow_json,
        predictions_agree__value as logged_agree
    from log
)
select
    unit,
    failed,
    production_ms,
    shadow_ms,
    production,
    shadow,
    case when isfinite(production_number) then production_number end as production_number,
    case when isfinite(shadow_number) then shadow_number end as shadow_number,
    json_extract_string(production_json, '$[*]')[:10] as production_list,
    json_extract_string(shadow_json, '$[*]')[:10] as shadow_list,
    logged_agree
from given
