"""The same work in Polars: lazy, by its streaming engine."""

from __future__ import annotations

import polars as pl
from engine_data import CAP, Logs
from engine_moments import NUMBERS, Moments, moments_of
from polars import col


def moments(logs: Logs) -> Moments:
    """Moments over the first day's users."""
    exposures = pl.scan_parquet(logs.files("exposures", 1)).filter(col("experiment_id") == "benchmark")
    exposures = exposures.with_columns(col("variant").cast(pl.Enum(list(logs.spec.variants))))
    outcomes = pl.scan_parquet(logs.files("outcomes", 1))
    if logs.ids:
        exposures = _once(exposures, "request_id", ["user_id", "variant"])
        outcomes = _once(outcomes, "event_id", ["user_id", "event_type", "value"])
    units = exposures.group_by("user_id").agg(
        col("timestamp").min().alias("entered"),
        col("variant").min_by("timestamp"),
        (col("variant").min() != col("variant").max()).alias("crossed"),
    )
    happened = {name: col("event_type") == name for name in ("purchase", "session", "click", "impression")}
    totals = (
        outcomes.join(units.select("user_id", "entered"), on="user_id")
        .filter(col("timestamp") >= col("entered"))
        .group_by("user_id")
        .agg(
            happened["purchase"].any().alias("bought"),
            happened["session"].sum().alias("sessions"),
            col("value").filter(happened["purchase"]).sum().alias("revenue"),
            happened["click"].sum().alias("clicks"),
            happened["impression"].sum().alias("impressions"),
        )
    )
    users = (
        units.filter(~col("crossed"))
        .join(totals, on="user_id", how="left")
        .select("variant", *(col(name).cast(pl.Float64).fill_null(0) for name in NUMBERS))
        .with_columns(col("revenue").clip(upper_bound=CAP))
    )
    return _reduced(users)


def _once(rows: pl.LazyFrame, name: str, columns: list[str]) -> pl.LazyFrame:
    """The earliest row of every id."""
    return rows.group_by(name).agg(col(columns).min_by("timestamp"), col("timestamp").min())


def _reduced(users: pl.LazyFrame) -> Moments:
    rows = (
        users.group_by("variant")
        .agg(
            pl.len().alias("users"),
            pl.cov("clicks", "impressions", ddof=0).alias("covariance"),
            *(col(name).mean().alias(f"{name} mean") for name in NUMBERS),
            *(col(name).var(ddof=0).alias(f"{name} variance") for name in NUMBERS),
        )
        .collect(engine="streaming")
    )
    found: Moments = {}
    for row in rows.iter_rows(named=True):
        means, variances = ({name: row[f"{name} {of}"] for name in NUMBERS} for of in ("mean", "variance"))
        found |= moments_of(row["variant"], row["users"], means, variances, row["covariance"])
    return found
