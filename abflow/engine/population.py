"""Unit-days become the population of a phase: who is in, and the moments of what they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from abflow.analysis.population import Cohort, Measured, Population
from abflow.engine.measures import measure_of, measures_of
from abflow.engine.unit_day import statement
from abflow.errors import DataError
from abflow.logs.reading import connection, identifier, literal
from abflow.spec.assignment import bucket_sql, variant_edges
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import MeanMetric
from abflow.stats.moments import Moments

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Where the two files of one day lie."""

    units: Path
    events: Path


def cohorts(
    spec: ExperimentSpec, period: Period, partitions: list[Partition], *, threads: int | None = None
) -> Population:
    """Who entered the phase so far, without looking at what anybody did.

    Args:
        spec: The experiment.
        period: The phase; its first day to the last day of `partitions` is read.
        partitions: One per day, of the phase's days so far.
        threads: DuckDB's threads.
    """
    with connection(threads=threads) as db:
        _enrol(db, period, partitions)
        return _population(db, spec, ())


def measure(
    spec: ExperimentSpec,
    period: Period,
    partitions: list[Partition],
    *,
    memory_limit: str | None = None,
) -> Population:
    """Who entered the phase, and the moments of every metric, at the phase's cut-off.

    One thread, because sums of floating-point numbers depend on their order and the same inputs must give
    the same bytes.
    """
    with connection(threads=1, memory_limit=memory_limit) as db:
        _enrol(db, period, partitions)
        _read(db, "events", [partition.events for partition in partitions])
        _register_metrics(db, spec)
        cut_off = {"cut_off": _midnight(period.end)}
        db.execute(f"create temp table unit_metrics as {statement('unit_metrics')}", cut_off)
        caps = _caps(db, spec)
        moments = db.execute(statement("moments")).fetchall()
        seen = {row[0] for row in db.execute("select distinct event_type from events").fetchall()}
        measured = tuple(
            Measured(
                metric=metric,
                variant=variant,
                contamination=contamination,
                moments=Moments(n=n, mean=mean, m2=m2),
                lowest=lowest,
                highest=highest,
                non_zero=non_zero,
                immature=immature,
                cap=caps.get(metric),
                cap_removes_all=caps.get(metric, 1.0) <= 0,
            )
            for metric, variant, contamination, n, mean, m2, lowest, highest, non_zero, immature in moments
        )
        return _population(db, spec, measured, events_seen=frozenset(seen))


def _enrol(db: duckdb.DuckDBPyConnection, period: Period, partitions: list[Partition]) -> None:
    if not partitions:
        raise DataError(f"phase {period.phase} has no day yet; aggregate its first day, {period.start}, first")
    _read(db, "unit_days", [partition.units for partition in partitions])
    parameters = {
        "start": _midnight(period.start),
        "enroll_end": _midnight(period.enroll_end),
        "cut_off": _midnight(period.end),
    }
    db.execute(f"create temp table enrolled as {statement('enrolled')}", parameters)


def _population(
    db: duckdb.DuckDBPyConnection,
    spec: ExperimentSpec,
    measured: tuple[Measured, ...],
    *,
    events_seen: frozenset[str] = frozenset(),
) -> Population:
    rows = db.execute(statement("cohorts")).fetchall()
    return Population(
        cohorts=tuple(
            Cohort(variant=variant, day=day, enrolled=enrolled, crossed=crossed, units=units)
            for variant, day, enrolled, crossed, units in rows
        ),
        measured=measured,
        events_seen=tuple(sorted(events_seen)),
        misassigned=_misassigned(db, spec) if spec.assignment == "hash" else None,
    )


def _misassigned(db: duckdb.DuckDBPyConnection, spec: ExperimentSpec) -> int:
    """Units whose first variant is not the one that the hash gives them."""
    ranges = [(name, start, end) for name, (start, end) in variant_edges(spec).items()]
    db.execute("create or replace temp table edges (variant varchar, first integer, last integer)")
    db.executemany("insert into edges values (?, ?, ?)", ranges)
    row = db.execute(
        f"select count(*) from (select variant, {bucket_sql('unit_id', '$salt')} as bucket from enrolled) as u "
        "inner join edges as e on u.bucket >= e.first and u.bucket < e.last where u.variant <> e.variant",
        {"salt": spec.assignment_salt},
    ).fetchone()
    return int(row[0]) if row else 0


def _register_metrics(db: duckdb.DuckDBPyConnection, spec: ExperimentSpec) -> None:
    measures = measures_of(spec)
    db.execute(
        "create temp table metrics (metric varchar, kind varchar, event_type varchar, measured varchar, "
        "window_days integer)"
    )
    for name, metric in spec.metrics.items():
        read = measure_of(metric, measures)
        row = [name, metric.kind, read.event_type, read.measured, metric.window_days]
        db.execute("insert into metrics values (?, ?, ?, ?, ?)", row)


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


def _read(db: duckdb.DuckDBPyConnection, view: str, paths: list[Path]) -> None:
    listed = ", ".join(literal(str(path)) for path in paths)
    db.execute(f"create temp view {identifier(view)} as select * from read_parquet([{listed}])")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC).replace(tzinfo=None)
