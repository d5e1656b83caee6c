"""Sample-ratio checks: how often they condemn a right split, and how soon they find a wrong one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from abflow.calibration.study import Rate, Study, at_least, at_most, exactly, reported
from abflow.stats.independence import independence
from abflow.stats.moments import moments_of
from abflow.stats.propensity_balance import propensity_balance
from abflow.stats.result import Unavailable
from abflow.stats.sample_ratio_periods import Period, log_e_over_periods, split_over_time
from abflow.stats.srm import mixture_log_e, sample_ratio

EVEN = {"control": 1.0, "treatment": 1.0}
DAYS, PER_DAY = 21, 5_000
CONDEMNED = math.log(1_000)
ALPHA = 0.05
FAIL = 0.001

Number = TypeVar("Number", int, float)


def _daily_looks(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    right, wrong = (rng.binomial(PER_DAY, share, size=(runs, DAYS)).cumsum(axis=1) for share in (0.5, 0.51))
    naive = sum(_ever_rejected(path) for path in right)
    return (
        at_most("right split, 21 looks: ever condemned", sum(map(_ever_condemned, right)), runs, FAIL),
        at_least("split off by 1 point, 21 looks: found", sum(map(_ever_condemned, wrong)), runs, 0.95),
        reported("right split, a chi-square of 5 % every day: ever rejected", naive, runs),
    )


def _ever_condemned(control: NDArray[np.int64]) -> bool:
    """Whether one history crosses the line; it stops there, as the experiment does."""
    for day, so_far in enumerate(control.tolist(), start=1):
        log_e = mixture_log_e({"control": so_far, "treatment": PER_DAY * day - so_far}, EVEN)
        if not isinstance(log_e, Unavailable) and log_e >= CONDEMNED:
            return True
    return False


def _ever_rejected(control: NDArray[np.int64]) -> bool:
    for day, so_far in enumerate(control.tolist(), start=1):
        test = sample_ratio({"control": so_far, "treatment": PER_DAY * day - so_far}, EVEN)
        if not isinstance(test, Unavailable) and test.p_value < ALPHA:
            return True
    return False


def _single_looks(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    rates = []
    for what, shares, units, judged in (
        ("two arms, 10 001 units", (0.5, 0.5), 10_001, exactly),
        ("three arms, 3 000 units", (0.34, 0.33, 0.33), 3_000, exactly),
        ("1 in 100 to treatment, 20 000 units", (0.99, 0.01), 20_000, exactly),
        ("three arms, 60 units, exact test", (0.9, 0.06, 0.04), 60, at_most),
    ):
        # The same counts have the same answer, which is looked up once.
        tables, times = np.unique(rng.multinomial(units, shares, size=runs), axis=0, return_counts=True)
        rejected = [_rejected(table, shares) for table in tables.tolist()]
        rates.append(judged(f"{what}: right split rejected", int(times @ rejected), runs, ALPHA))
    return tuple(rates)


def _rejected(counts: list[int], shares: tuple[float, ...]) -> bool:
    test = sample_ratio(_by_arm(counts), _by_arm(shares))
    return not isinstance(test, Unavailable) and test.p_value < ALPHA


def _by_arm(numbers: Sequence[Number]) -> dict[str, Number]:
    return {f"arm {index}": number for index, number in enumerate(numbers)}


def _splits_in_parts(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    any_day = together = by_segment = tied = 0
    for _ in range(runs):
        days = _changing_days(rng)
        split = split_over_time(days)
        if not isinstance(split, Unavailable):
            any_day += split.by_period[split.worst].p_value < ALPHA / len(days)
            together += split.together.p_value < ALPHA
        by_segment += _dependent(rng.multinomial(3_000, np.outer((0.5, 0.3, 0.2), (0.6, 0.4)).ravel()).reshape(3, 2))
        tied += _dependent(rng.multinomial(3_000, (0.31, 0.19, 0.19, 0.31)).reshape(2, 2))
    return (
        at_most("shares change daily, each day once: right split rejected", any_day, runs, ALPHA),
        exactly("shares change daily, all days together: right split rejected", together, runs, ALPHA),
        exactly("three levels of a segment: equal splits rejected", by_segment, runs, ALPHA),
        at_least("another experiment that shares 62 % of its units: found", tied, runs, 0.95),
    )


def _changing_days(rng: np.random.Generator) -> dict[int, Period]:
    """Three weeks of two arms whose shares move with every day."""
    shares = np.linspace(0.2, 0.8, DAYS).tolist()
    control = rng.binomial(500, shares).tolist()
    return {
        day: Period(counts={"control": c, "treatment": 500 - c}, shares={"control": share, "treatment": 1 - share})
        for day, (c, share) in enumerate(zip(control, shares, strict=True))
    }


def _dependent(table: NDArray[np.int64]) -> bool:
    test = independence(table)
    return not isinstance(test, Unavailable) and test.p_value < ALPHA


def _changed_weights(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    condemned = ignoring = unbalanced = lying = 0
    for _ in range(runs):
        days = _changing_days(rng)
        log_e = log_e_over_periods(days.values())
        condemned += not isinstance(log_e, Unavailable) and log_e >= math.log(1 / ALPHA)
        # Compared with the first day's shares, as if they had never changed.
        total = {arm: sum(day.counts[arm] for day in days.values()) for arm in EVEN}
        stale = mixture_log_e(total, days[0].shares)
        ignoring += not isinstance(stale, Unavailable) and stale >= math.log(1 / ALPHA)
        unbalanced += _unbalanced(rng, logged_as_drawn=True)
        lying += _unbalanced(rng, logged_as_drawn=False)
    return (
        at_most("shares change daily, an e-value per day, multiplied: above 20", condemned, runs, ALPHA),
        reported("the same against the first day's shares: above 20", ignoring, runs),
        at_most("contextual weights, propensities as drawn: rejected", unbalanced, runs, ALPHA),
        at_least("contextual weights, propensities off by a tenth: found", lying, runs, 0.95),
    )


def _unbalanced(rng: np.random.Generator, *, logged_as_drawn: bool) -> bool:
    """Whether two arms, each unit with weights of its own, fail the test of their propensities."""
    logged = rng.uniform(0.1, 0.9, size=3_000)
    treated = rng.random(3_000) < (logged if logged_as_drawn else 0.9 * logged)
    arms = propensity_balance(
        {"control": moments_of(1 / (1 - logged[~treated])), "treatment": moments_of(1 / logged[treated])}
    )
    return not isinstance(arms, Unavailable) and min(arm.adjusted_p for arm in arms.values()) < ALPHA


STUDIES = (
    Study(
        name="sample-ratio-daily",
        claim="A right split is condemned at most once in a thousand experiments, looked at on every day; a split that "
        "is off by one point is found.",
        runs=10_000,
        rates=_daily_looks,
    ),
    Study(
        name="sample-ratio-once",
        claim="A right split is rejected one time in twenty at the level of a twentieth, and at most so often by the "
        "exact test.",
        runs=20_000,
        rates=_single_looks,
    ),
    Study(
        name="sample-ratio-in-parts",
        claim="The same holds by day, by segment, and against another experiment.",
        runs=10_000,
        rates=_splits_in_parts,
    ),
    Study(
        name="sample-ratio-changing-shares",
        claim="Shares that change by day or by unit are no mismatch, and a mismatch in them is found.",
        runs=10_000,
        rates=_changed_weights,
    ),
)
