"""What units did on each day since they entered: the same units on every day, so the days hang together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.population import DailyEffects
from abflow.engine.instants import midnight
from abflow.engine.measures import Made, made_of, measures_of
from abflow.engine.statements import filled, make
from abflow.engine.unit_day import Partition
from abflow.engine.unit_state import scales_of, value_of
from abflow.logs.database import Database
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric
from abflow.stats.vector_moments import VectorMoments, vector_moments_of

FEWEST_DAYS, MOST_DAYS = 2, 28
WITHOUT_WINDOW = 7  # days at least, where no window says how long to look
UNITS_AT_ONCE = 50_000  # whose days are in memory together


def daily_effects(
    db: Database, spec: ExperimentSpec, period: Period, partitions: Sequence[Partition], *, end: date
) -> tuple[DailyEffects, ...]:
    """Every proportion, count and mean on each day of 24 hours since a unit's first exposure.

    Only units observed on all days of the range count, so that every day is about the same units. Values are not
    capped here: a cap is over what a unit did in its whole window.

    Args:
        db: A connection with the units of a phase, and the view `rows_once` of its outcomes.
        spec: The experiment.
        period: The phase.
        partitions: Its days.
        end: The cut-off, a day that does not count any more.
    """
    measures = measures_of(spec)
    ranges: dict[int, dict[str, Made]] = {}
    for name, metric in spec.metrics.items():
        made, days = made_of(metric, measures), _days(metric, period, end)
        if made and made.y is None and days >= FEWEST_DAYS:
            ranges.setdefault(days, {})[name] = made
    found = [each for days, metrics in ranges.items() for each in _in_range(db, spec, partitions, days, metrics, end)]
    return tuple(sorted(found, key=lambda each: list(spec.metrics).index(each.metric)))


def _days(metric: Metric, period: Period, end: date) -> int:
    """How many days since exposure are looked at."""
    wanted = metric.window_days or max(WITHOUT_WINDOW, period.days - period.enroll_days)
    return min(wanted, MOST_DAYS, (end - period.start).days)


def _in_range(
    db: Database,
    spec: ExperimentSpec,
    partitions: Sequence[Partition],
    days: int,
    metrics: Mapping[str, Made],
    end: date,
) -> list[DailyEffects]:
    """The metrics that are looked at for equally many days."""
    span = f"interval {days} day"
    keep_crossed = spec.analysis.contamination == "keep_first"
    make(db, "followed", filled("followed", days=span), cut_off=midnight(end), keep_crossed=keep_crossed)
    scales = scales_of([made.x for made in metrics.values()], partitions)
    sums = [
        f", {value_of(made, scale)} as v{n}"
        for n, (made, scale) in enumerate(zip(metrics.values(), scales, strict=True))
    ]
    make(db, "days_since_exposure", filled("days_since_exposure", days=span, sums="".join(sums)))
    variants = db.execute("select variant, count(*) from followed group by variant order by variant").fetchall()
    return [
        DailyEffects(metric=name, variant=variant, moments=moments)
        for variant, units in variants
        for name, moments in zip(metrics, _moments(db, variant, units, days, len(metrics)), strict=True)
    ]


def _moments(db: Database, variant: str, units: int, days: int, metrics: int) -> list[VectorMoments]:
    """Of every metric, by reading some units at a time; most days of most units are empty and stand nowhere."""
    names = [f"v{n}" for n in range(metrics)]
    query = filled("days_of_some_units", days="days_since_exposure", sums=", ".join(names))
    found: list[list[VectorMoments]] = [[] for _ in names]
    for first in range(0, units, UNITS_AT_ONCE):
        last = min(first + UNITS_AT_ONCE, units)
        columns = db.execute(query, {"variant": variant, "first": first, "last": last}).fetchnumpy()
        for name, parts in zip(names, found, strict=True):
            table: NDArray[np.float64] = np.zeros((last - first, days))
            table[columns["place"], columns["day"]] = columns[name]
            parts.append(vector_moments_of(table))
    return [reduce(add, parts) for parts in found]
