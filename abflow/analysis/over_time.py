"""Does the effect stay? By day of entry, by day since exposure, by calendar day; it never decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce
from operator import add
from typing import Literal

from abflow.analysis import estimates
from abflow.analysis.margins import sign_of
from abflow.analysis.population import CALENDAR_DAY, ENTRY_DAY, Population
from abflow.analysis.readout import EffectsOverTime
from abflow.analysis.segments import level_samples
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric
from abflow.stats.result import Unavailable
from abflow.stats.trends import DailyMoments, Trend, trend_of_cohorts, trend_of_same_units
from abflow.stats.vector_moments import VectorMoments

WORDS: dict[str, Literal["wears_off", "grows", "steady"]] = {"wears off": "wears_off", "grows": "grows"}


def over_time(spec: ExperimentSpec, population: Population) -> tuple[EffectsOverTime, ...]:
    """Every metric in every arm, by every kind of day that the population knows."""
    found = []
    for name, metric in spec.metrics.items():
        if isinstance(metric, QuantileMetric):
            continue
        for arm in spec.treatments:
            found += [read(spec, population, name, arm) for read in (_by_entry_day, _since_exposure, _by_calendar_day)]
    return tuple(each for each in found if each)


def _by_entry_day(spec: ExperimentSpec, population: Population, name: str, arm: str) -> EffectsOverTime | None:
    """Different units on each day, so the days are independent."""
    parts = population.sliced(name, ENTRY_DAY, spec.analysis.contamination)
    days = level_samples(spec, parts, name, arm)
    if len(days) < 2:
        return None
    confidence = 1 - spec.analysis.alpha
    effects = [estimates.difference(*pair, confidence=confidence) for pair in days.values()]
    # Where they lie in the calendar: on some days nobody may have entered.
    lie = [date.fromisoformat(day).toordinal() for day in days]
    trend = trend_of_cohorts(effects, days=lie, sign=sign_of(spec.metrics[name]), confidence=confidence)
    return _told(name, arm, "entry_day", tuple(days), trend, flat="Cochran's Q")


def _since_exposure(spec: ExperimentSpec, population: Population, name: str, arm: str) -> EffectsOverTime | None:
    """The same units on every day, so the days are correlated."""
    control, treatment = (_daily(population, name, variants) for variants in (spec.controls, (arm,)))
    if control is None or treatment is None:
        return None
    trend = trend_of_same_units(
        _with_covariance(control),
        _with_covariance(treatment),
        sign=sign_of(spec.metrics[name]),
        confidence=1 - spec.analysis.alpha,
    )
    days = tuple(str(n) for n in range(1, len(control.mean) + 1))
    return _told(name, arm, "day_since_exposure", days, trend, flat="Hotelling's T²")


def _by_calendar_day(spec: ExperimentSpec, population: Population, name: str, arm: str) -> EffectsOverTime | None:
    """Everybody who had entered by then: the days share units, and units join, so days are not tested by each other."""
    days = level_samples(spec, population.sliced(name, CALENDAR_DAY, spec.analysis.contamination), name, arm)
    if len(days) < 2:
        return None
    effects = [estimates.difference(*pair, confidence=1 - spec.analysis.alpha) for pair in days.values()]
    return EffectsOverTime(
        metric=name,
        arm=arm,
        by="calendar_day",
        days=tuple(days),
        effects=tuple(effects),
        p_value=None,
        trend_p=None,
        word=None,
    )


def _daily(population: Population, name: str, variants: Sequence[str]) -> VectorMoments | None:
    """One metric in some variants as if they were one."""
    found = [each.moments for each in population.daily if each.metric == name and each.variant in variants]
    return reduce(add, found) if found else None


def _with_covariance(moments: VectorMoments) -> DailyMoments:
    spread = max(moments.n - 1, 1)
    covariance = [[product / spread for product in row] for row in moments.cross]
    return DailyMoments(n=moments.n, mean=moments.mean, covariance=covariance)


def _told(
    name: str,
    arm: str,
    by: Literal["entry_day", "day_since_exposure"],
    days: tuple[str, ...],
    trend: Trend | Unavailable,
    *,
    flat: str,
) -> EffectsOverTime:
    """What the days say; `flat` names the test that all of them have the same effect."""
    if isinstance(trend, Unavailable):
        gone = tuple(trend for _ in days)
        return EffectsOverTime(
            metric=name, arm=arm, by=by, days=days, effects=gone, p_value=None, trend_p=None, word=None
        )
    same, slope = trend.flat_p, trend.slope
    tests = [
        *([] if isinstance(same, Unavailable) else [flat]),
        *([] if isinstance(slope, Unavailable) else [slope.method]),
    ]
    return EffectsOverTime(
        metric=name,
        arm=arm,
        by=by,
        days=days,
        effects=trend.effects,
        p_value=None if isinstance(same, Unavailable) else same,
        trend_p=None if isinstance(slope, Unavailable) else slope.p_value,
        word=None if isinstance(slope, Unavailable) else WORDS.get(trend.direction, "steady"),
        method="; ".join(tests) or None,
    )
