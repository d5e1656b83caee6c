"""The floor: the bare DuckDB query, straight from the logs to the moments, and nothing besides."""

from __future__ import annotations

import duckdb
from engine_data import CAP, Logs
from engine_moments import NUMBERS, Moments, moments_of

# One row per request or event.
ROWS = """
exposures as (select timestamp, user_id, variant from read_parquet($exposures) where experiment_id = 'benchmark'),
outcomes as (select timestamp, user_id, event_type, value from read_parquet($outcomes))
"""
# The same where a row can stand in the log more than once: the earliest counts.
ROWS_ONCE = """
exposures as (
    select
        min(timestamp) as timestamp,
        arg_min(user_id, timestamp) as user_id,
        arg_min(variant, timestamp) as variant
    from read_parquet($exposures)
    where experiment_id = 'benchmark'
    group by request_id
),
outcomes as (
    select
        min(timestamp) as timestamp,
        arg_min(user_id, timestamp) as user_id,
        arg_min(event_type, timestamp) as event_type,
        arg_min(value, timestamp) as value
    from read_parquet($outcomes)
    group by event_id
)
"""
# One row per user.
UNITS = """
select
    user_id,
    min(timestamp) as entered,
    arg_min(variant, timestamp) as variant,
    min(variant) <> max(variant) as crossed
from exposures
group by user_id
"""
# What the rows of a user add up to.
TOTALS = """
    count(*) filter (where event_type = 'purchase') as purchases,
    count(*) filter (where event_type = 'session') as sessions,
    sum(value) filter (where event_type = 'purchase') as revenue,
    count(*) filter (where event_type = 'click') as clicks,
    count(*) filter (where event_type = 'impression') as impressions
"""
# One row per user that was seen in one variant.
USERS = f"""
with {{rows}},
units as ({UNITS}),
totals as (
    select user_id, {TOTALS}
    from outcomes inner join units using (user_id)
    where timestamp >= entered
    group by user_id
)
select
    variant,
    if(purchases > 0, 1.0, 0.0)::double as bought,
    coalesce(sessions, 0)::double as sessions,
    least(coalesce(revenue, 0), {CAP}) as revenue,
    coalesce(clicks, 0)::double as clicks,
    coalesce(impressions, 0)::double as impressions
from units left join totals using (user_id)
where not crossed
"""  # noqa: S608  the cap is a number


def moments(logs: Logs, days: int = 1, memory_limit: str | None = None) -> Moments:
    """Moments over the users of the first days, by one statement on all cores."""
    each = ", ".join(f"avg({name}), var_pop({name})" for name in NUMBERS)
    with duckdb.connect(config={"memory_limit": memory_limit} if memory_limit else {}) as connection:
        rows = connection.execute(
            f"select variant, count(*), covar_pop(clicks, impressions), {each} "  # noqa: S608
            f"from ({users_query(logs)}) group by variant",
            files(logs, days),
        ).fetchall()
    found: Moments = {}
    for variant, users, covariance, *numbers in rows:
        means, variances = (dict(zip(NUMBERS, numbers[at::2], strict=True)) for at in (0, 1))
        found |= moments_of(variant, users, means, variances, covariance)
    return found


def users_query(logs: Logs) -> str:
    """One row per user; rows count once where the logs have ids."""
    return USERS.format(rows=ROWS_ONCE if logs.ids else ROWS)


def files(logs: Logs, days: int) -> dict[str, list[str]]:
    """What the query reads, by the names of its parameters."""
    return {log: logs.files(log, days) for log in ("exposures", "outcomes")}
