"""The 95th percentile of a latency when calls come in clusters of users, and the ratio of two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.stats.moments import JointMoments
from abflow.stats.quantile_interval import QuantileLevels, quantile_levels
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, tail_of

Q = 0.95
_CONFIDENCE = 0.95
# The rule for means: fewer units have no variance worth the name.
_MIN_UNITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSums:
    """Sums over units of calls, of calls at or below a cut, and of products: whole numbers, so exact."""

    units: int
    calls: int
    below: int
    calls_calls: int
    below_below: int
    calls_below: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyTail:
    """The P95 of one version in milliseconds, with its lower and its upper one-sided 95 % bound."""

    calls: int
    units: int
    p95: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioBounds:
    """A ratio with its lower and its upper one-sided 95 % bound."""

    value: float
    lower: float
    upper: float


def tail_levels(sums: UnitSums) -> QuantileLevels | Unavailable:
    """The levels whose quantiles bound the P95, the unit as cluster."""
    if sums.units < _MIN_UNITS:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"{sums.calls} calls come from {sums.units} users, {_MIN_UNITS} are needed",
        )
    levels = quantile_levels(_joint(sums), Q, confidence=_CONFIDENCE, sides=1)
    if isinstance(levels, Unavailable) and levels.reason is UnavailableReason.NO_VARIANCE:
        return _levels_of_equal_units(sums)
    return levels


def _joint(sums: UnitSums) -> JointMoments:
    n = sums.units
    return JointMoments(
        n=n,
        mean_x=sums.below / n,
        mean_y=sums.calls / n,
        m2_x=(n * sums.below_below - sums.below**2) / n,
        m2_y=(n * sums.calls_calls - sums.calls**2) / n,
        cross=(n * sums.calls_below - sums.calls * sums.below) / n,
    )


def _levels_of_equal_units(sums: UnitSums) -> QuantileLevels | Unavailable:
    """Levels when no call lies above the cut, because many latencies are equal.

    The delta method would claim certainty. This is the error if all calls of a user were one and the same
    call, the largest that clusters of these sizes can have (Kish 1965, Survey Sampling, section 8.2).
    """
    se = math.sqrt(Q * (1 - Q) * sums.calls_calls) / sums.calls
    half = normal_isf(tail_of(_CONFIDENCE, sides=1)) * se
    if Q + half >= 1:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"the largest latency is reached by 5 % of the calls, and {sums.units} users are too few",
        )
    return QuantileLevels(lower=Q - half, upper=Q + half, se=se)


def tail_ratio(production: LatencyTail, shadow: LatencyTail) -> RatioBounds | Unavailable:
    """Shadow's P95 over production's, with the errors of both recovered from their bounds on the log scale.

    The arms are taken as independent. They answer the same requests and mostly slow down together, so the
    true error is smaller and the bounds are conservative.

    References:
        Zou, Donner (2008), Statistics in Medicine 27, 1693-1702 (MOVER; here on logarithms).
    """
    if production.lower <= 0 or shadow.lower <= 0:
        return Unavailable(
            reason=UnavailableReason.BASELINE_NEAR_ZERO,
            detail=f"P95 latency is {production.p95:g} ms in production, {shadow.p95:g} ms in shadow, "
            "and a ratio needs more than 0 ms; log fractions of a millisecond",
        )
    value = shadow.p95 / production.p95
    down = math.hypot(math.log(shadow.p95 / shadow.lower), math.log(production.upper / production.p95))
    up = math.hypot(math.log(shadow.upper / shadow.p95), math.log(production.p95 / production.lower))
    return RatioBounds(value=value, lower=value * math.exp(-down), upper=value * math.exp(up))
