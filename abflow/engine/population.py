"""Unit-days become the population of a phase: who is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from abflow.analysis.population import Cohort, Measured, Population, Slice
from abflow.engine.unit_day import statement
from abflow.errors import DataError
from abflow.logs.reading import connection, identifier, literal
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.assignment import bucket_sql, variant_edges
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Where the two files of one day lie."""

    units: Path
    events: Path


def cohorts(
    spec: ExperimentSpec, period: Period, partitions: list[Partition], *, resources: Resources = WHOLE_MACHINE
) -> Population:
    """Who entered the phase so far, without looking at what anybody did.

    Args:
        spec: The experiment.
        period: The phase; its first day to the last day of `partitions` is read.
        partitions: One per day, of the phase's days so far.
        resources: What DuckDB may take.
    """
    with connection(resources) as db:
        enrol(db, period, partitions, end=period.end)
        return population_of(db, spec, ())


def enrol(db: duckdb.DuckDBPyConnection, period: Period, partitions: list[Partition], *, end: date) -> None:
    """Make the table of everybody who was exposed in the phase.

    Args:
        db: The connection.
        period: The phase.
        partitions: One per day, of the phase's days so far.
        end: The first day that does not count any more.

    Raises:
        DataError: There is no day yet.
    """
    if not partitions:
        raise DataError(f"phase {period.phase} has no day yet; aggregate its first day, {period.start}, first")
    read(db, "unit_days", [partition.units for partition in partitions])
    parameters = {
        "start": midnight(period.start),
        "enroll_end": midnight(period.enroll_end),
        "cut_off": midnight(end),
    }
    db.execute(f"create temp table enrolled as {statement('enrolled')}", parameters)


def population_of(
    db: duckdb.DuckDBPyConnection,
    spec: ExperimentSpec,
    measured: tuple[Measured, ...],
    *,
    events_seen: frozenset[str] = frozenset(),
    slices: tuple[Slice, ...] = (),
) -> Population:
    """The enrolled units, with what was measured on them.

    Args:
        db: A connection with the enrolled units.
        spec: The experiment.
        measured: The metrics.
        events_seen: Event types that occur anywhere in the outcome log.
        slices: The metrics in parts of the population.
    """
    rows = db.execute(statement("cohorts")).fetchall()
    return Population(
        cohorts=tuple(
            Cohort(variant=variant, day=day, enrolled=enrolled, crossed=crossed, units=units)
            for variant, day, enrolled, crossed, units in rows
        ),
        measured=measured,
        events_seen=tuple(sorted(events_seen)),
        misassigned=_misassigned(db, spec) if spec.assignment == "hash" else None,
        slices=slices,
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


def read(db: duckdb.DuckDBPyConnection, view: str, paths: list[Path]) -> None:
    """Make Parquet files one view."""
    listed = ", ".join(literal(str(path)) for path in paths)
    db.execute(f"create temp view {identifier(view)} as select * from read_parquet([{listed}])")


def midnight(day: date) -> datetime:
    """The first moment of a UTC day, as DuckDB compares it."""
    return datetime.combine(day, time(), tzinfo=UTC).replace(tzinfo=None)
