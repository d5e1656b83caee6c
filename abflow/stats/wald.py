"""How Wald's test behaves: how often it accepts, and after how many units it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.errors import SpecError
from abflow.stats.root import root
from abflow.stats.sprt import Thresholds, bernoulli_log_likelihood_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What to expect of a sequential probability ratio test under one truth.

    Wald's approximations: they take the test to end exactly at a threshold, so the true test makes slightly
    fewer errors and takes slightly longer.

    Attributes:
        accepted: Chance to accept the null hypothesis (the operating characteristic).
        mean_units: Units after which the test ends on average.
    """

    accepted: float
    mean_units: float


def bernoulli_course(p: float, *, p0: float, p1: float, thresholds: Thresholds) -> Course:
    """What to expect of a test between two rates when the true rate is p.

    L = (A^h - 1) / (A^h - B^h) accepts, h solving p (p1/p0)^h + (1 - p) ((1 - p1)/(1 - p0))^h = 1, and the mean
    number of units is (L ln B + (1 - L) ln A) over the mean step.

    Args:
        p: The true rate.
        p0: Rate under the null hypothesis.
        p1: Rate under the alternative.
        thresholds: ln A and ln B.

    Raises:
        SpecError: A rate is not between 0 and 1, or both hypotheses are the same.

    References:
        Wald (1947), Sequential Analysis, chapter 5.
    """
    if not 0 < p < 1:
        raise SpecError(f"the true rate {p:g} must lie between 0 and 1")
    one, zero = (bernoulli_log_likelihood_ratio(event, 1, p0=p0, p1=p1) for event in (1, 0))
    mean = p * one + (1 - p) * zero
    variance = p * (1 - p) * (one - zero) ** 2
    return _course(_tilt(p, one, zero), mean=mean, mean_square=variance + mean * mean, thresholds=thresholds)


def _tilt(p: float, one: float, zero: float) -> float:
    """The h other than 0 with E exp(h·step) = 1, for a step of `one` with chance p and `zero` otherwise."""

    def log_mean(h: float) -> float:
        first, second = math.log(p) + h * one, math.log1p(-p) + h * zero
        larger = max(first, second)
        return larger + math.log(math.exp(first - larger) + math.exp(second - larger))

    width = one - zero
    near = -2 * (p * one + (1 - p) * zero) / (p * (1 - p) * width * width)
    # Close to 0 the function is too flat to see its root; two terms of its series leave a part in a million.
    if abs(near * width) < 1e-3:
        return near * (1 - near * (1 - 2 * p) * width / 3)
    # Convex and 0 at 0: the other root lies beyond the lowest point, away from 0.
    lowest = math.log(-(1 - p) * zero / (p * one)) / width
    far = 2 * lowest
    while log_mean(far) < 0:
        far += lowest
    return root(log_mean, lowest, far)


def normal_course(mean: float, *, delta: float, sd: float, thresholds: Thresholds) -> Course:
    """What to expect of a test between means 0 and delta, with a known spread per unit, when the true mean is this.

    As `bernoulli_course`, with h = 1 - 2 mean / delta and the mean step delta (mean - delta/2) / sd².

    For two arms give the spread of a pair's difference; units then are pairs.

    Args:
        mean: The true mean.
        delta: Mean under the alternative.
        sd: Standard deviation per unit, all three in one unit.
        thresholds: ln A and ln B.

    Raises:
        SpecError: The sd is not above 0, the mean not finite, or the difference 0.

    References:
        Wald (1947), Sequential Analysis, chapter 7.
    """
    if not (0 < sd < math.inf and math.isfinite(mean) and math.isfinite(delta)) or delta == 0:
        raise SpecError(f"sd {sd:g} must be above 0, the mean {mean:g} finite and delta {delta:g} not 0")
    step, variance = (delta / sd) * ((mean - delta / 2) / sd), (delta / sd) ** 2
    return _course(1 - 2 * mean / delta, mean=step, mean_square=variance + step * step, thresholds=thresholds)


def _course(tilt: float, *, mean: float, mean_square: float, thresholds: Thresholds) -> Course:
    low, high = thresholds.accept, thresholds.reject
    # Below this the general formulas divide rounding by rounding; their limit is right to the same size.
    if abs(tilt * (high - low)) < 1e-8:
        return Course(accepted=high / (high - low), mean_units=-low * high / mean_square)
    # (A^h - 1) / (A^h - B^h), with the larger power taken out so that none overflows.
    if tilt > 0:
        accepted = math.expm1(-tilt * high) / math.expm1(-tilt * (high - low))
    else:
        accepted = 1 - math.expm1(-tilt * low) / math.expm1(tilt * (high - low))
    return Course(accepted=accepted, mean_units=(accepted * low + (1 - accepted) * high) / mean)
