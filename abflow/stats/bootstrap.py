"""Intervals without a formula for the error: differences and lifts of means and ratios, by the bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError, SpecError
from abflow.stats.buckets import sums_in_buckets
from abflow.stats.contrast import why_not_comparable
from abflow.stats.means import MIN_UNITS
from abflow.stats.moments import moments_of
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, normal_sf, tail_of

MIN_DRAWS = 100
# The ends of a 95 % interval are then known to about 3 % of the standard error.
DRAWS = 10_000
# Draws whose counts are held at a time: few enough to stay in the processor's cache.
_CHUNK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrapped:
    """An estimate with its bootstrap interval.

    Attributes:
        value: The estimate from the units as they are.
        se: Standard deviation of the replicates.
        lower: Lower end of the interval.
        upper: Upper end of the interval.
        confidence: Coverage of the interval.
        draws: Replicates.
        method: Name of the interval.
    """

    value: float
    se: float
    lower: float
    upper: float
    confidence: float
    draws: int
    method: str


def bootstrap_interval(
    control: ArrayLike,
    treatment: ArrayLike,
    *,
    seed: int,
    compare: Literal["difference", "lift"] = "difference",
    interval: Literal["percentile", "bca"] = "percentile",
    confidence: float = 0.95,
    draws: int = DRAWS,
) -> Bootstrapped | Unavailable:
    """Treatment minus control, or treatment over control minus 1, with an interval from resampled units.

    The percentile interval ends at the levels (1 - confidence) / 2 and (1 + confidence) / 2 of the replicates; BCa at
    Φ(b + (b + z) / (1 - a (b + z))), b = Φ⁻¹(share of replicates below the estimate), a = Σ u³ / (6 (Σ u²)^1.5), u
    being (1 - 1/n) times what the estimate without each unit falls short of the mean of all such in its arm.

    Each arm's units are drawn anew with replacement. More than 8 192 units are first dealt at random into as
    many buckets, which are drawn in their place (see `buckets` for the price); fewer are drawn one by one,
    which is the ordinary bootstrap. No bootstrap repairs a sample that holds too few of the large values
    which make up the mean.

    Args:
        control: Shape (units,) for a mean; shape (units, 2), numerator and denominator, for a ratio of sums
            with the unit as cluster.
        treatment: The same of the other arm.
        seed: The same seed gives the same interval.
        compare: What is estimated.
        interval: BCa corrects the percentile interval for bias and skewness. It needs to know the skewness: of two
            arms of 100 units with heavy tails (lognormal, sigma 2) it covers 83 %, the percentile interval 92 %.
        confidence: Coverage of the interval.
        draws: Replicates; thousands, because the interval ends in their tails.

    Raises:
        DataError: The values are neither one number per unit nor a pair.
        SpecError: There is no such comparison or interval, the confidence is impossible, or there are fewer than 100
            draws.

    References:
        Efron (1987), JASA 82, 171-185 (BCa); Efron, Tibshirani (1993), An Introduction to the Bootstrap,
        chapter 13 and equations 14.10 and 14.15; Davison, Hinkley (1997), Bootstrap Methods and their Application,
        section 5.3.2, for the acceleration of two samples.
    """
    tail = tail_of(confidence, sides=2)
    for asked, known in ((compare, ("difference", "lift")), (interval, ("percentile", "bca"))):
        if asked not in known:
            raise SpecError(f"{asked!r} is neither {known[0]!r} nor {known[1]!r}; write one of them")
    if draws < MIN_DRAWS:
        raise SpecError(f"{draws} bootstrap draws say nothing about tails; take {MIN_DRAWS} or more, {DRAWS} is usual")
    before, after = _pairs(control), _pairs(treatment)
    if (refusal := _why_not(before, after)) is not None:
        return refusal
    arms = _arm(before), _arm(after)
    if arms[0].is_constant and arms[1].is_constant:
        return Unavailable(reason=UnavailableReason.NO_VARIANCE, detail="both arms are constant; nothing varies")
    rng = np.random.default_rng(seed)
    of_control, of_treatment = (_replicates(arm, draws, rng) for arm in arms)
    if compare == "lift" and (refusal := _why_no_lift(arms[0], of_control)) is not None:
        return refusal
    value = float(_compared(arms[0].ratio, arms[1].ratio, compare))
    effects = _compared(of_control, of_treatment, compare)
    if not np.isfinite(effects).all():
        return Unavailable(
            reason=UnavailableReason.ZERO_DENOMINATOR,
            detail="in some replicates the denominators add up to 0, because few units have any",
        )
    levels: tuple[float, float] | Unavailable = (tail, 1 - tail)
    if interval == "bca":
        levels = _bca_levels(tail, value, effects, arms, compare)
    if isinstance(levels, Unavailable):
        return levels
    lower, upper = np.quantile(effects, levels)
    return Bootstrapped(
        value=value,
        se=float(np.std(effects, ddof=1)),
        lower=float(lower),
        upper=float(upper),
        confidence=confidence,
        draws=draws,
        method=f"bootstrap, {'BCa' if interval == 'bca' else interval} interval",
    )


def _pairs(values: ArrayLike) -> NDArray[np.float64]:
    """Numerator and denominator per unit; a mean is a ratio whose denominators are 1."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1:
        return np.column_stack((array, np.ones_like(array)))
    if array.ndim != 2 or array.shape[1] != 2:
        raise DataError(f"values of shape {array.shape}; give (units,) for a mean or (units, 2) for a ratio")
    return array


def _why_not(control: NDArray[np.float64], treatment: NDArray[np.float64]) -> Unavailable | None:
    for column in (0, 1):
        sides = moments_of(control[:, column]), moments_of(treatment[:, column])
        refusal = why_not_comparable(*sides, min_units=MIN_UNITS)
        if refusal is not None:
            return refusal
    for name, arm in (("control", control), ("treatment", treatment)):
        if arm[:, 1].min() < 0:
            return Unavailable(
                reason=UnavailableReason.METHOD_NOT_VALID_HERE,
                detail=f"{name} has a denominator below 0, so that replicates could divide by anything",
            )
        if not arm[:, 1].any():
            return Unavailable(
                reason=UnavailableReason.ZERO_DENOMINATOR, detail=f"the denominators of {name} add up to 0"
            )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    """An arm's ratio, and what each unit adds to or takes from it.

    Attributes:
        ratio: Sum of numerators over sum of denominators.
        features: Shape (units, 2): numerator minus ratio times denominator, and the denominator. Centred so,
            a replicate's ratio keeps the digits of its distance from the arm's.
        is_constant: Whether every unit has the arm's ratio but for rounding.
    """

    ratio: float
    features: NDArray[np.float64]
    is_constant: bool


def _arm(pairs: NDArray[np.float64]) -> _Arm:
    numerators, denominators = pairs.T
    ratio = float(numerators.sum() / denominators.sum())
    residuals = numerators - ratio * denominators
    return _Arm(
        ratio=ratio,
        features=np.column_stack((residuals, denominators)),
        is_constant=bool(np.abs(residuals).max() <= 1e-12 * np.abs(numerators).max()),
    )


def _replicates(arm: _Arm, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """The arm's ratio in every draw: counts of how often each bucket was drawn, times its sums."""
    sums = sums_in_buckets(arm.features, rng)
    drawn = np.empty((draws, 2))
    for start in range(0, draws, _CHUNK):
        picks = rng.integers(len(sums), size=(min(_CHUNK, draws - start), len(sums)))
        counts = np.array([np.bincount(pick, minlength=len(sums)) for pick in picks], dtype=np.float64)
        drawn[start : start + _CHUNK] = counts @ sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return arm.ratio + drawn[:, 0] / drawn[:, 1]


def _why_no_lift(control: _Arm, replicates: NDArray[np.float64]) -> Unavailable | None:
    if control.ratio < 0:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"the control is negative ({control.ratio:g}); read the absolute difference",
        )
    if (replicates <= 0).any():
        return Unavailable(
            reason=UnavailableReason.BASELINE_NEAR_ZERO,
            detail=f"the control is 0 or less in {np.mean(replicates <= 0):.2%} of its replicates, so nothing "
            "can be expressed relative to it",
        )
    return None


def _compared(control: ArrayLike, treatment: ArrayLike, compare: str) -> NDArray[np.float64]:
    before, after = np.asarray(control, dtype=np.float64), np.asarray(treatment, dtype=np.float64)
    return after - before if compare == "difference" else after / before - 1


def _bca_levels(
    tail: float, value: float, effects: NDArray[np.float64], arms: tuple[_Arm, _Arm], compare: str
) -> tuple[float, float] | Unavailable:
    """The levels of the replicates at which the corrected interval ends."""
    below = float(np.mean(effects < value) + np.mean(effects <= value)) / 2
    if not 0 < below < 1:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail="all replicates lie on one side of the estimate; BCa cannot correct so much bias",
        )
    bias, acceleration = -normal_isf(below), _acceleration(arms, compare)
    corrected = []
    for z in (-normal_isf(tail), normal_isf(tail)):
        shrunk = 1 - acceleration * (bias + z)
        if shrunk <= 0:
            return Unavailable(
                reason=UnavailableReason.METHOD_NOT_VALID_HERE,
                detail="one or two units decide the estimate; BCa cannot correct so much skewness",
            )
        corrected.append(normal_sf(-bias - (bias + z) / shrunk))
    return corrected[0], corrected[1]


def _acceleration(arms: tuple[_Arm, _Arm], compare: str) -> float:
    """Skewness of the estimate over 6, from leaving out every unit of every arm in turn."""
    control, treatment = arms
    squares = cubes = 0.0
    for left_out in (
        _compared(_without_each(control), treatment.ratio, compare),
        _compared(control.ratio, _without_each(treatment), compare),
    ):
        # (n - 1) and n from the definition, with powers of n taken out before they overflow.
        influence = (left_out.mean() - left_out) * (1 - 1 / left_out.size)
        squares += float(np.sum(influence**2))
        cubes += float(np.sum(influence**3))
    return cubes / (squares * math.sqrt(squares)) / 6


def _without_each(arm: _Arm) -> NDArray[np.float64]:
    """The arm's ratio without each of its units in turn; the centred numerators add up to 0."""
    residuals, denominators = arm.features[:, 0], arm.features[:, 1]
    left: NDArray[np.float64] = denominators.sum() - denominators
    return arm.ratio - residuals / left
