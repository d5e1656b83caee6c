"""CUPED and post-stratification: error rates of adjusted comparisons."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abflow.calibration.study import Rate, Study, exactly
from abflow.stats.cuped import Cuped, cuped_of_means, cuped_of_ratios
from abflow.stats.cuped_margins import cuped_margin_bounds
from abflow.stats.means import difference_in_means
from abflow.stats.moments import Moments, moments_of
from abflow.stats.noninferiority import MarginBounds, margin_bounds
from abflow.stats.result import Estimate, Unavailable
from abflow.stats.stratification import Stratum, stratified_difference
from abflow.stats.vector_moments import vector_moments_of

_ALPHA = 0.05
_UNITS = 200

Units = NDArray[np.float64]


def _equal_arms(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    rejected = dict.fromkeys(("mean", "proportion", "ratio", "post-stratified mean"), 0)
    for _ in range(runs):
        rejected["mean"] += _rejects(*_adjusted_means(_pairs(rng, 0.6), _pairs(rng, 0.6)))
        rejected["proportion"] += _rejects(*_adjusted_means(_proportions(rng), _proportions(rng)))
        rejected["ratio"] += _rejects(*_adjusted_ratios(_ratios(rng), _ratios(rng)))
        rejected["post-stratified mean"] += _strata_reject(rng)
    return tuple(
        exactly(f"{what}, {_UNITS} units per arm: rejected", hits, runs, _ALPHA) for what, hits in rejected.items()
    )


def _pairs(rng: np.random.Generator, correlation: float, *, mean: float = 0.0) -> Units:
    """Outcome and covariate of one arm, both of standard deviation 1."""
    before, noise = rng.normal(size=(2, _UNITS))
    return np.column_stack((mean + correlation * before + math.sqrt(1 - correlation**2) * noise, before))


def _proportions(rng: np.random.Generator) -> Units:
    """Whether a unit bought, and whether it had bought before; some units buy more often than others."""
    return (rng.random((_UNITS, 2)) < rng.beta(1, 2, size=(_UNITS, 1))).astype(np.float64)


def _ratios(rng: np.random.Generator) -> Units:
    """Clicks and views, during and before; every unit has its own rate of clicks."""
    views = rng.integers(5, 15, size=(2, _UNITS))
    clicks = rng.binomial(views, rng.beta(3, 7, size=_UNITS))
    return np.column_stack((clicks[0], views[0], clicks[1], views[1])).astype(np.float64)


def _adjusted_means(*arms: Units) -> Iterator[Moments]:
    return (arm.adjusted for arm in cuped_of_means([vector_moments_of(arm) for arm in arms]).arms)


def _adjusted_ratios(*arms: Units) -> Iterator[Moments]:
    cuped = cuped_of_ratios([vector_moments_of(arm) for arm in arms])
    assert isinstance(cuped, Cuped)  # noqa: S101  every unit has views
    return (arm.adjusted for arm in cuped.arms)


def _rejects(control: Moments, treatment: Moments) -> bool:
    got = difference_in_means(control, treatment)
    return isinstance(got, Estimate) and got.p_value < _ALPHA


def _strata_reject(rng: np.random.Generator) -> bool:
    days = 5
    day, arm = rng.integers(0, days, size=2 * _UNITS), rng.integers(0, 2, size=2 * _UNITS)
    value = day + rng.normal(size=2 * _UNITS)
    cells = [[moments_of(value[(day == d) & (arm == a)]) for a in (0, 1)] for d in range(days)]
    got = stratified_difference([Stratum(name=str(d), control=c, treatment=t) for d, (c, t) in enumerate(cells)])
    return not isinstance(got, Unavailable) and got.estimate.p_value < _ALPHA


def _at_the_margin(runs: int, seed: int) -> tuple[Rate, ...]:
    """The treatment is worse by exactly the margin, so that to call it safe is the error."""
    rng = np.random.default_rng(seed)
    # Margins of about three standard errors, which a test of this size can show.
    worlds: list[tuple[str, bool, Literal[1, -1], float, float, float]] = [
        ("absolute margin", False, 1, 0.25, 2.5, 0.6),
        ("relative margin of 10 %, more is better", True, 1, 0.1, 2.5, 0.6),
        ("relative margin of 10 %, less is better", True, -1, 0.1, 2.5, 0.6),
        ("relative margin of 20 %, correlation 0.9", True, 1, 0.2, 0.7, 0.9),
    ]
    rates = []
    for what, relative, sign, margin, baseline, correlation in worlds:
        loss = margin * baseline if relative else margin
        plain = adjusted = 0
        for _ in range(runs):
            arms = (_pairs(rng, correlation, mean=mean) for mean in (baseline, baseline - sign * loss))
            cuped = cuped_of_means([vector_moments_of(arm) for arm in arms])
            without = margin_bounds(
                *(arm.unadjusted for arm in cuped.arms), kind="mean", sign=sign, margin=margin, relative=relative
            )
            bounds = cuped_margin_bounds(*cuped.arms, sign=sign, margin=margin, relative=relative)
            plain += isinstance(without, MarginBounds) and without.safe
            adjusted += isinstance(bounds, MarginBounds) and bounds.safe
        rates.append(exactly(f"{what}, CUPED on: safe", adjusted, runs, _ALPHA))
        rates.append(exactly(f"{what}, CUPED off: safe", plain, runs, _ALPHA))
    return tuple(rates)


def _after_a_lucky_aa(runs: int, seed: int) -> tuple[Rate, ...]:
    """Versions are equal, but the A/A days favoured the treatment by 1 to 2.6 standard errors.

    The test keeps the assignment, so that what the A/A saw comes back in it.
    """
    rng = np.random.default_rng(seed)
    correlation, plain, adjusted, found = 0.6, 0, 0, 0
    while found < runs:
        control, treatment = _pairs(rng, correlation), _pairs(rng, correlation)
        in_aa = difference_in_means(moments_of(control[:, 1]), moments_of(treatment[:, 1]))
        if not (isinstance(in_aa, Estimate) and 1 < in_aa.value / in_aa.se < 2.6):
            continue
        found += 1
        plain += _wins(moments_of(control[:, 0]), moments_of(treatment[:, 0]))
        adjusted += _wins(*_adjusted_means(control, treatment))
    return (
        exactly("A/A days as the covariate: an equal version wins", adjusted, runs, _ALPHA / 2),
        # By quadrature: the mean over the A/A's z of P(N(0.6 z, 0.64) > 1.96).
        exactly("without CUPED: an equal version wins", plain, runs, 0.0994),
    )


def _wins(control: Moments, treatment: Moments) -> bool:
    got = difference_in_means(control, treatment)
    return isinstance(got, Estimate) and got.p_value < _ALPHA and got.value > 0


STUDIES = (
    Study(
        name="cuped-aa",
        claim="Adjusted means, proportions and ratios, and post-stratified means, reject 5 % of A/A tests.",
        runs=20_000,
        rates=_equal_arms,
    ),
    Study(
        name="cuped-margin",
        claim="With CUPED and without it, a loss of exactly the margin is called safe 5 % of the time.",
        runs=20_000,
        rates=_at_the_margin,
    ),
    Study(
        name="cuped-after-aa",
        claim="With the A/A days in the covariate a lucky A/A does not come back: an equal version wins 2.5 %.",
        runs=5_000,
        rates=_after_a_lucky_aa,
    ),
)
