"""Effects in parts: how often a trend over days, or a difference between segments, is seen where there is none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abflow.calibration.study import Rate, Study, at_least, at_most, exactly, reported
from abflow.stats.heterogeneity import Level, heterogeneity
from abflow.stats.means import difference_in_means
from abflow.stats.moments import moments_of
from abflow.stats.result import Estimate, Unavailable
from abflow.stats.trends import DailyMoments, Trend, trend_of_cohorts, trend_of_same_units

ALPHA = 0.05
DAYS, UNITS = 14, 300
LEVELS, PER_LEVEL = 4, 300


def _same_units(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    fade = 0.6 * np.exp(-np.arange(DAYS) / 4)
    slopes = uneven = as_cohorts = as_cohorts_uneven = worn_off = 0
    for _ in range(runs):
        control, treatment = _habits(rng), _habits(rng)
        trend = _trend(control, treatment)
        slopes += trend.direction != "no trend shown"
        uneven += not isinstance(trend.flat_p, Unavailable) and trend.flat_p < ALPHA
        naive = trend_of_cohorts(trend.effects)
        as_cohorts += isinstance(naive, Trend) and naive.direction != "no trend shown"
        as_cohorts_uneven += isinstance(naive, Trend) and isinstance(naive.flat_p, float) and naive.flat_p < ALPHA
        worn_off += _trend(control, treatment + fade).direction == "wears off"
    return (
        exactly("14 days of the same 300 units: a slope is seen", slopes, runs, ALPHA),
        exactly("14 days of the same 300 units: unevenness is seen", uneven, runs, ALPHA),
        reported("the same, days taken for independent: a slope is seen", as_cohorts, runs),
        reported("the same, days taken for independent: unevenness is seen", as_cohorts_uneven, runs),
        at_least("a novelty that fades within days: wears off", worn_off, runs, 0.95),
    )


def _habits(rng: np.random.Generator) -> NDArray[np.float64]:
    """What units do on each day: a level of their own, a drift of their own, and yesterday's mood."""
    mood = np.cumsum(rng.normal(size=(UNITS, DAYS)), axis=1) * 0.3
    return np.asarray(np.exp(0.3 * rng.normal(size=(UNITS, 1))) + mood + rng.exponential(size=(UNITS, DAYS)))


def _trend(control: NDArray[np.float64], treatment: NDArray[np.float64]) -> Trend:
    trend = trend_of_same_units(_daily(control), _daily(treatment))
    if isinstance(trend, Unavailable):
        raise TypeError(trend.detail)  # a bug: these worlds have units and spread on every day
    return trend


def _daily(values: NDArray[np.float64]) -> DailyMoments:
    return DailyMoments(n=len(values), mean=values.mean(axis=0), covariance=np.cov(values, rowvar=False))


def _cohorts(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    slopes = uneven = 0
    for _ in range(runs):
        trend = trend_of_cohorts([_effect(rng, units=200, shift=0.0) for _ in range(DAYS)])
        slopes += isinstance(trend, Trend) and trend.direction != "no trend shown"
        uneven += isinstance(trend, Trend) and isinstance(trend.flat_p, float) and trend.flat_p < ALPHA
    return (
        exactly("14 cohorts of 200 units per arm: a slope is seen", slopes, runs, ALPHA),
        exactly("14 cohorts of 200 units per arm: unevenness is seen", uneven, runs, ALPHA),
    )


def _effect(rng: np.random.Generator, *, units: int, shift: float) -> Estimate | Unavailable:
    control, treatment = rng.gamma(2.0, size=(2, units))
    return difference_in_means(moments_of(control), moments_of(treatment + shift))


def _segments(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    differ = any_level = missed = found = 0
    for _ in range(runs):
        effects = [_effect(rng, units=PER_LEVEL, shift=0.0) for _ in range(LEVELS)]
        one_differs = [*effects[1:], _effect(rng, units=PER_LEVEL, shift=1.0)]
        same, other = (
            heterogeneity([Level(name=str(i), effect=one, units=(PER_LEVEL, PER_LEVEL)) for i, one in enumerate(all_)])
            for all_ in (effects, one_differs)
        )
        if isinstance(same, Unavailable) or isinstance(other, Unavailable):
            continue
        differ += same.p_value < ALPHA
        any_level += any(level.adjusted_p < ALPHA for level in same.levels)
        missed += any(not level.simultaneous[0] <= 0 <= level.simultaneous[1] for level in same.levels)
        found += other.p_value < ALPHA
    return (
        exactly("four levels with one effect: a difference is seen", differ, runs, ALPHA),
        at_most("four levels without effect: any level is found", any_level, runs, ALPHA),
        at_most("four levels: any simultaneous interval misses", missed, runs, ALPHA),
        at_least("one level of four differs by 0.7 standard deviations: found", found, runs, 0.95),
    )


STUDIES = (
    Study(
        name="trend-of-same-units",
        claim="An effect that stays the same looks like a trend one time in twenty, though the same units come back.",
        runs=10_000,
        rates=_same_units,
    ),
    Study(
        name="trend-of-cohorts",
        claim="An effect that stays the same over cohorts looks like a trend one time in twenty.",
        runs=10_000,
        rates=_cohorts,
    ),
    Study(
        name="segments",
        claim="One effect in all levels of a segment looks different one time in twenty.",
        runs=10_000,
        rates=_segments,
    ),
)
