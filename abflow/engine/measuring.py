"""What the enrolled units did: moments of every metric, and the units themselves where a test needs them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.population import ENTRY_DAY, Contamination, Measured, Population, Slice
from abflow.engine.measures import measure_of, measures_of, parts_of
from abflow.engine.population import Partition, enrol, midnight, population_of, read
from abflow.engine.unit_day import statement
from abflow.logs.reading import connection
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import EXPOSURES, MeanMetric, RatioMetric
from abflow.stats.moments import EMPTY, JointMoments, Moments

if TYPE_CHECKING:
    import duckdb


def measure(
    spec: ExperimentSpec,
    period: Period,
    partitions: list[Partition],
    *,
    end: date | None = None,
    resources: Resources = WHOLE_MACHINE,
) -> Population:
    """Who entered the phase, and the moments of every metric over units that are mature by then.

    One thread, because sums of floating-point numbers depend on their order and the same inputs must give
    the same bytes.

    Args:
        spec: The experiment.
        period: The phase.
        partitions: One per day, of the phase's days so far.
        end: The first day that does not count any more; by default the day after the phase.
        resources: What DuckDB may take.
    """
    with _counted(spec, period, partitions, end=end, resources=resources) as (db, caps):
        seen = {row[0] for row in db.execute("select distinct event_type from events").fetchall()}
        return population_of(
            db,
            spec,
            tuple(_measured(row, caps) for row in _rows(db, "moments")),
            events_seen=frozenset(seen - {EXPOSURES}),
            slices=tuple(map(_entry_day, _rows(db, "entry_days"))),
        )


def unit_values(
    spec: ExperimentSpec,
    period: Period,
    partitions: list[Partition],
    metric: str,
    contamination: Contamination,
    *,
    end: date | None = None,
    resources: Resources = WHOLE_MACHINE,
) -> dict[str, NDArray[np.float64]]:
    """What every mature unit did, by variant, in the order of the units' ids.

    Returns:
        Shape (units,); of a ratio (units, 2), numerator and denominator.
    """
    with _counted(spec, period, partitions, end=end, resources=resources) as (db, _):
        parameters = {"metric": metric, "contamination": contamination}
        columns = db.execute(statement("unit_values"), parameters).fetchnumpy()
    numbers = [columns["x"]]
    if isinstance(spec.metrics[metric], RatioMetric):
        numbers.append(columns["y"])
    rows = np.column_stack([np.ma.getdata(number).astype(np.float64) for number in numbers])
    rows = rows[:, 0] if rows.shape[1] == 1 else rows
    variants = np.asarray(columns["variant"])
    return {variant: rows[variants == variant] for variant in spec.variants}


@contextmanager
def _counted(
    spec: ExperimentSpec,
    period: Period,
    partitions: list[Partition],
    *,
    end: date | None,
    resources: Resources,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, float]]]:
    """A connection with what every unit did, capped, under both ways of treating units seen in two variants."""
    end = min(end or period.end, period.end)
    with connection(replace(resources, threads=1)) as db:
        enrol(db, period, partitions, end=end)
        read(db, "events", [partition.events for partition in partitions])
        _register_metrics(db, spec)
        cut_off = {"cut_off": midnight(end)}
        db.execute(f"create temp table unit_metrics as {statement('unit_metrics')}", cut_off)
        caps = _caps(db, spec)
        db.execute(f"create temp view counted as {statement('counted')}")
        yield db, caps


def _rows(db: duckdb.DuckDBPyConnection, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a statement, by the names of their columns."""
    found = db.execute(statement(name))
    columns = [column[0] for column in found.description]
    return (dict(zip(columns, row, strict=True)) for row in found.fetchall())


def _moments(row: dict[str, Any]) -> tuple[Moments, JointMoments | None]:
    x = Moments(n=row["n"], mean=row["mean_x"], m2=row["m2_x"])
    if row["mean_y"] is None:
        return x, None
    pair = JointMoments(n=x.n, mean_x=x.mean, mean_y=row["mean_y"], m2_x=x.m2, m2_y=row["m2_y"], cross=row["cross_xy"])
    return x, pair


def _measured(row: dict[str, Any], caps: dict[str, float]) -> Measured:
    moments, pair = _moments(row)
    if pair:
        moments = pair.linearised() if pair.mean_y else replace(EMPTY, n=pair.n)
    cap = caps.get(row["metric"])
    return Measured(
        metric=row["metric"],
        variant=row["variant"],
        contamination=row["contamination"],
        moments=moments,
        lowest=row["lowest"],
        highest=row["highest"],
        non_zero=row["non_zero"],
        immature=row["immature"],
        cap=cap,
        cap_removes_all=cap is not None and cap <= 0,
        pair=pair,
    )


def _entry_day(row: dict[str, Any]) -> Slice:
    moments, pair = _moments(row)
    return Slice(
        metric=row["metric"],
        variant=row["variant"],
        contamination=row["contamination"],
        by=ENTRY_DAY,
        level=row["entry_day"].isoformat(),
        moments=moments,
        non_zero=row["non_zero"],
        pair=pair,
    )


def _register_metrics(db: duckdb.DuckDBPyConnection, spec: ExperimentSpec) -> None:
    measures = measures_of(spec)
    db.execute("create temp table metrics (metric varchar, is_ratio boolean, window_days integer)")
    db.execute(
        "create temp table parts (metric varchar, part varchar, event_type varchar, measured varchar, use varchar, "
        "window_days integer)"
    )
    for name, metric in spec.metrics.items():
        row = [name, isinstance(metric, RatioMetric), metric.window_days]
        db.execute("insert into metrics values (?, ?, ?)", row)
        for part in parts_of(metric):
            read = measure_of(part, measures)
            row = [name, part.part, read.event_type, read.measured, part.use, metric.window_days]
            db.execute("insert into parts values (?, ?, ?, ?, ?, ?)", row)


def _caps(db: duckdb.DuckDBPyConnection, spec: ExperimentSpec) -> dict[str, float]:
    """The cap of every capped metric, also as the table that the moments are made with."""
    db.execute("create temp table caps (metric varchar, cap double)")
    caps: dict[str, float] = {}
    for name, metric in spec.metrics.items():
        if not isinstance(metric, MeanMetric) or metric.cap is None:
            continue
        cap = metric.cap_value
        if metric.cap_quantile is not None:
            parameters = {
                "metric": name,
                "quantile": metric.cap_quantile,
                "positive": metric.over == "positive",
            }
            row = db.execute(statement("percentile"), parameters).fetchone()
            cap = row[0] if row else None
        if cap is not None:
            caps[name] = float(cap)
            db.execute("insert into caps values (?, ?)", [name, cap])
    return caps
