"""tea-tasting over DuckDB: DuckDB makes the users, tea-tasting has their moments computed through Ibis."""

from __future__ import annotations

import ibis
import ibis.backends.duckdb.converter  # Ibis would import it, and pandas, while it is timed
from engine_data import Logs
from engine_floor import files, users_query
from engine_moments import NUMBERS, Moments, moments_of
from tea_tasting.aggr import read_aggregates


def moments(logs: Logs) -> Moments:
    """Moments over the first day's users."""
    connection = ibis.duckdb.connect()
    query = users_query(logs)
    for name, paths in files(logs, 1).items():
        query = query.replace(f"${name}", str(paths))
    # Without a schema Ibis 12 asks DuckDB for it by a method that DuckDB 2 no longer has.
    users = connection.sql(query, schema={"variant": "string", **dict.fromkeys(NUMBERS, "float64")})
    aggregates = read_aggregates(
        users,
        "variant",
        has_count=True,
        mean_cols=NUMBERS,
        var_cols=NUMBERS,
        cov_cols=(("clicks", "impressions"),),
    )
    found: Moments = {}
    for variant, arm in aggregates.items():
        count = arm.count()
        shrink = (count - 1) / count  # theirs are divided by one user fewer
        variances = {name: arm.var(name) * shrink for name in NUMBERS}
        means = {name: arm.mean(name) for name in NUMBERS}
        found |= moments_of(str(variant), count, means, variances, arm.cov("clicks", "impressions") * shrink)
    return found
