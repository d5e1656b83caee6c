"""The floor that keeps: bare DuckDB queries that leave behind what the next day is made from, and nothing besides.

The floor throws away everything but the moments. An engine that is incremental must write three things: the units of
the day, its events, and what is known of every unit. These are the statements that do no more than that.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
from engine_data import CAP, Logs
from engine_floor import ROWS, ROWS_ONCE, TOTALS, UNITS, files
from engine_moments import NUMBERS, Moments, moments_of

PACKED = "(format parquet, compression zstd, compression_level 1)"
EVENTS = """
select timestamp, user_id, event_type, case when event_type = 'purchase' then value end as value
from outcomes
where event_type in ('purchase', 'session', 'click', 'impression')
"""
STATE = f"""
with totals as (
    select user_id, {TOTALS}
    from '{{events}}' inner join '{{units}}' using (user_id)
    where timestamp >= entered
    group by user_id
)
select
    user_id,
    entered,
    variant,
    crossed,
    coalesce(purchases, 0) as purchases,
    coalesce(sessions, 0) as sessions,
    coalesce(revenue, 0) as revenue,
    coalesce(clicks, 0) as clicks,
    coalesce(impressions, 0) as impressions
from '{{units}}' left join totals using (user_id)
"""  # noqa: S608  constants of the floor
USERS = f"""
select
    variant,
    if(purchases > 0, 1.0, 0.0)::double as bought,
    sessions::double as sessions,
    least(revenue, {CAP}) as revenue,
    clicks::double as clicks,
    impressions::double as impressions
from '{{state}}'
where not crossed
"""  # noqa: S608  the cap is a number


def moments(logs: Logs) -> Moments:
    """Moments over the first day's users, by way of three files."""
    rows = ROWS_ONCE if logs.ids else ROWS
    read = files(logs, 1)
    with tempfile.TemporaryDirectory(dir=logs.folder) as folder, duckdb.connect() as connection:
        kept = {name: str(Path(folder) / f"{name}.parquet") for name in ("units", "events", "state")}
        for name, log, query in (("units", "exposures", UNITS), ("events", "outcomes", EVENTS)):
            order = " order by user_id" if name == "units" else ""
            named = f"with {_only(rows, log)} {query}{order}"
            connection.execute(f"copy ({named}) to '{kept[name]}' {PACKED}", {log: read[log]})
        connection.execute(f"copy ({STATE.format(**kept)} order by user_id) to '{kept['state']}' {PACKED}")
        each = ", ".join(f"avg({name}), var_pop({name})" for name in NUMBERS)
        found = connection.execute(
            f"select variant, count(*), covar_pop(clicks, impressions), {each} "  # noqa: S608
            f"from ({USERS.format(**kept)}) group by variant"
        ).fetchall()
    made: Moments = {}
    for variant, users, covariance, *numbers in found:
        means, variances = (dict(zip(NUMBERS, numbers[at::2], strict=True)) for at in (0, 1))
        made |= moments_of(variant, users, means, variances, covariance)
    return made


def _only(rows: str, log: str) -> str:
    """The definition of one log's rows, out of those of both."""
    exposures, outcomes = rows.split("outcomes as", 1)
    return exposures.strip().removesuffix(",") if log == "exposures" else f"outcomes as{outcomes}".strip()
