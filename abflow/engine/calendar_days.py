"""What units did on each UTC day of a phase: a bad day shows here, whoever had entered by then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.population import CALENDAR_DAY, Slice
from abflow.engine.instants import midnight
from abflow.engine.measures import Made, made_of, measures_of
from abflow.engine.statements import filled, make
from abflow.engine.unit_day import Partition
from abflow.engine.unit_state import scales_of, value_of
from abflow.logs.database import Database
from abflow.logs.reading import literal
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import EMPTY, Moments, moments_of

UNITS_AT_ONCE = 50_000  # whose days are in memory together
_DAY = 86_400_000_000  # microseconds


def calendar_days(
    db: Database, spec: ExperimentSpec, period: Period, partitions: Sequence[Partition], *, end: date
) -> tuple[Slice, ...]:
    """Every proportion, count and mean on each UTC day, over the units that could do something on it.

    These had entered before the day ended, and their window was not over when it began. A unit is in many days, so
    moments of days must never be added. Values are not capped: a cap is over what a unit did in its whole window.

    Args:
        db: A connection with the units of a phase, and the view `rows_once` of its outcomes.
        spec: The experiment.
        period: The phase.
        partitions: Its days.
        end: The cut-off, a day that does not count any more.
    """
    measures = measures_of(spec)
    made = {name: made_of(metric, measures) for name, metric in spec.metrics.items()}
    read = {name: each for name, each in made.items() if each and each.y is None}
    if not read:
        return ()
    _collect(db, spec, period, partitions, read, end)
    variants = db.execute("select variant, count(*) from present group by variant order by variant").fetchall()
    found = []
    for variant, units in variants:
        for name, days in _of_variant(db, variant, units, read, (end - period.start).days).items():
            found += [
                Slice(
                    metric=name,
                    variant=variant,
                    contamination=spec.analysis.contamination,
                    by=CALENDAR_DAY,
                    level=str(period.start + timedelta(days=number)),
                    moments=moments,
                    non_zero=non_zero,
                )
                for number, (moments, non_zero) in enumerate(days)
                if moments.n
            ]
    return tuple(found)


def _collect(
    db: Database,
    spec: ExperimentSpec,
    period: Period,
    partitions: Sequence[Partition],
    read: dict[str, Made],
    end: date,
) -> None:
    """Make the tables of who is there and of what they did."""
    first = midnight(period.start)
    make(db, "present", filled("present"), start=first, keep_crossed=spec.analysis.contamination == "keep_first")
    scales = scales_of([made.x for made in read.values()], partitions)
    sums = [
        f", {value_of(made, scale)} as v{n}" for n, (made, scale) in enumerate(zip(read.values(), scales, strict=True))
    ]
    bounds = {name: f"timestamp {literal(str(time))}" for name, time in {"start": first, "end": midnight(end)}.items()}
    make(db, "calendar_days", filled("calendar_days", sums="".join(sums), **bounds))


def _of_variant(
    db: Database, variant: str, units: int, read: dict[str, Made], days: int
) -> dict[str, list[tuple[Moments, int]]]:
    """By metric and day the moments and how many units are not at 0, by reading some units at a time."""
    query = filled("days_of_some_units", days="calendar_days", sums=", ".join(f"v{n}" for n in range(len(read))))
    found = {name: [(EMPTY, 0)] * days for name in read}
    for first in range(0, units, UNITS_AT_ONCE):
        some = {"variant": variant, "first": first, "last": min(first + UNITS_AT_ONCE, units)}
        entered = np.asarray(db.execute(filled("present_units"), some).fetchnumpy()["entered_after"], dtype=np.int64)
        columns = db.execute(query, some).fetchnumpy()
        for number, (name, made) in enumerate(read.items()):
            table: NDArray[np.float64] = np.zeros((len(entered), days))
            table[columns["place"], columns["day"]] = columns[f"v{number}"]
            for day, (moments, non_zero) in enumerate(found[name]):
                values = table[_could(entered, day, made.x.window_days), day]
                found[name][day] = (moments + moments_of(values), non_zero + int(np.count_nonzero(values)))
    return found


def _could(entered: NDArray[np.int64], day: int, window_days: int | None) -> NDArray[np.bool_]:
    """Which units could do something on a day that would count."""
    there = entered < (day + 1) * _DAY
    return there if window_days is None else there & (entered + window_days * _DAY > day * _DAY)
