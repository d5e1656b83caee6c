"""Does the effect change over time: does a novelty wear off, does a habit have to grow?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError
from abflow.stats.contrast import Contrast
from abflow.stats.means import MIN_UNITS
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import chi_square_sf, normal_isf, normal_sf, tail_of

# A direction of the covariance this much smaller than the largest is rounding: some days repeat others.
RANK_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """How an effect moves over the days.

    Attributes:
        effects: Treatment minus control on each day, each with an interval of its own.
        slope: Change of the effect per day, along a straight line through the days.
        flat_p: Of the same effect on all days, against any pattern at all.
        sign: +1 when more is better, -1 when less is better.
    """

    effects: tuple[Estimate | Unavailable, ...]
    slope: Estimate | Unavailable
    flat_p: float | Unavailable
    sign: Literal[1, -1]

    @property
    def direction(self) -> Literal["wears off", "grows", "no trend shown"]:
        """What the slope says: `wears off` is novelty, `grows` is primacy or learning.

        Of the benefit: the harm of a treatment to which users get accustomed "grows" towards a benefit.
        """
        if isinstance(self.slope, Unavailable) or self.slope.p_value >= 1 - self.slope.confidence:
            return "no trend shown"
        return "grows" if self.slope.value * self.sign > 0 else "wears off"


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyMoments:
    """One arm's units, each observed on every one of the same days.

    Attributes:
        n: Units.
        mean: Mean per unit on each day, shape (days,).
        covariance: Of a unit's values on different days, with n - 1, shape (days, days).
    """

    n: int
    mean: ArrayLike
    covariance: ArrayLike


def trend_of_same_units(
    control: DailyMoments,
    treatment: DailyMoments,
    *,
    days: Sequence[float] | None = None,
    sign: Literal[1, -1] = 1,
    confidence: float = 0.95,
) -> Trend | Unavailable:
    """Does the effect change with the days since exposure? For units seen on every one of the days.

    Slope = Σ (d - m_d) e_d / Σ (d - m_d)², e_d being the effect on day d and m_d the mean of the days. Flatness:
    T² = c' (S_c + S_t)⁻¹ c, with the p changes c of the effect from day to day and the covariances S of both arms'
    mean changes; T² (ν - p + 1) / (ν p) is F on p and ν - p + 1 degrees of freedom, where
    ν = (p + p²) / Σ (tr(A²) + tr(A)²) / (n - 1) over the arms, A = S (S_c + S_t)⁻¹.

    The same units come back every day, so the daily effects are correlated, and reading them as independent
    finds trends that are not there, or misses them. A unit's own slope is one number, and its means are compared by
    Welch's t; flatness is Hotelling's T² of the differences between days, with each arm's own covariance.

    Args:
        control: Only units observed for the whole range; those who came late would change the days' mixture.
        treatment: The same of the other arm.
        days: Where the days lie; by default 1, 2, 3 and so on.
        sign: +1 when more is better, -1 when less is better.
        confidence: Of the slope and of each day's interval.

    Returns:
        The trend; or `no_units`, `too_few_units` below 10 in an arm, or `not_finite`.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.
        DataError: The arms do not have means and a covariance of the same two days or more.

    References:
        Krishnamoorthy, Yu (2004), Statistics & Probability Letters 66, 161-169, equation 7, for ν; Hohnhold,
        O'Brien, Tang (2015), KDD, 1849-1858, on user learning.
    """
    tail_of(confidence, sides=2)
    before, after = _arm("control", control), _arm("treatment", treatment)
    if isinstance(before, Unavailable):
        return before
    if isinstance(after, Unavailable):
        return after
    at = _places(days, before.mean.size)
    if after.mean.size != before.mean.size:
        raise DataError(f"{before.mean.size} days of control and {after.mean.size} of treatment; give the same days")
    line = at / np.sum(at**2)
    each_day = np.eye(at.size)
    return Trend(
        effects=tuple(_along(day, before, after).estimate(confidence=confidence, method="Welch t") for day in each_day),
        slope=_along(line, before, after).estimate(confidence=confidence, method="Welch t of the units' slopes"),
        flat_p=_same_on_all_days(before, after),
        sign=sign,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    n: int
    mean: NDArray[np.float64]
    of_mean: NDArray[np.float64]  # the covariance of the mean


def _arm(name: str, moments: DailyMoments) -> _Arm | Unavailable:
    mean, covariance = np.asarray(moments.mean, dtype=np.float64), np.asarray(moments.covariance, dtype=np.float64)
    if mean.ndim != 1 or mean.size < 2 or covariance.shape != (mean.size, mean.size):
        raise DataError(
            f"{name} has means of shape {mean.shape} and a covariance of shape {covariance.shape}; give two days or "
            "more, and one row and column per day"
        )
    if moments.n < MIN_UNITS:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS if moments.n else UnavailableReason.NO_UNITS,
            detail=f"{name} has {moments.n} units seen on all days; a trend needs at least {MIN_UNITS} per arm",
        )
    if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(covariance))):
        return Unavailable(
            reason=UnavailableReason.NOT_FINITE, detail=f"{name} holds an infinite, missing or too large value"
        )
    return _Arm(n=moments.n, mean=mean, of_mean=covariance / moments.n)


def _places(days: Sequence[float] | None, count: int) -> NDArray[np.float64]:
    """Where the days lie, seen from their middle."""
    at = np.arange(1.0, count + 1) if days is None else np.asarray(days, dtype=np.float64)
    if at.shape != (count,) or np.unique(at).size < count or not np.all(np.isfinite(at)):
        raise DataError(f"days {days} do not name {count} different days; give one number per mean")
    return np.asarray(at - at.mean())


def _along(weights: NDArray[np.float64], control: _Arm, treatment: _Arm) -> Contrast:
    """One weighted sum of the days, per unit, as a difference between the arms."""
    return Contrast(
        value=float(weights @ (treatment.mean - control.mean)),
        var_control=_variance_along(weights, control),
        var_treatment=_variance_along(weights, treatment),
        n_control=control.n,
        n_treatment=treatment.n,
    )


def _variance_along(weights: NDArray[np.float64], arm: _Arm) -> float:
    variance = float(weights @ arm.of_mean @ weights)
    # Days that cancel in every unit leave nothing but the rounding of their own variances.
    return variance if variance > 1e-12 * float(weights**2 @ np.diag(arm.of_mean)) else 0.0


def _same_on_all_days(control: _Arm, treatment: _Arm) -> float | Unavailable:
    if min(control.n, treatment.n) <= control.mean.size:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"{control.n} and {treatment.n} units cannot tell the covariance of {control.mean.size} days; it "
            "takes more units than days in each arm",
        )
    steps = np.diff(np.eye(control.mean.size), axis=0)
    parts = [steps @ arm.of_mean @ steps.T for arm in (control, treatment)]
    spread = np.linalg.eigvalsh(parts[0] + parts[1])
    if spread[0] <= RANK_TOLERANCE * spread[-1]:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail="some days hold the same values in every unit, so nothing tells their difference from chance",
        )
    inverse = np.linalg.inv(parts[0] + parts[1])
    change = steps @ (treatment.mean - control.mean)
    t2, p = float(change @ inverse @ change), len(change)
    shares = [part @ inverse for part in parts]
    dof = (p + p * p) / sum(
        float(np.trace(share @ share) + np.trace(share) ** 2) / (arm.n - 1)
        for share, arm in zip(shares, (control, treatment), strict=True)
    )
    from scipy import special

    return float(special.fdtrc(p, dof - p + 1, t2 * (dof - p + 1) / (dof * p)))


def trend_of_cohorts(
    effects: Sequence[Estimate | Unavailable],
    *,
    days: Sequence[float] | None = None,
    sign: Literal[1, -1] = 1,
    confidence: float = 0.95,
) -> Trend | Unavailable:
    """Does the effect change over the calendar? For units that each count on one day only.

    With w = 1/se²: slope Σ w (d - m_d) (e - m_e) / Σ w (d - m_d)², its se² 1 / Σ w (d - m_d)², and
    Q = Σ w (e - m_e)² on days - 1 degrees of freedom, m being means weighted by w.

    Such as the effect by the day on which units entered: different units, hence independent estimates. For
    calendar days on which the same units come back, `trend_of_same_units`. The slope is the weighted
    straight line through the days; flatness is Cochran's Q.

    Args:
        effects: Treatment minus control among the units of each day; a day without an effect is left out.
        days: Where the days lie; by default 1, 2, 3 and so on.
        sign: +1 when more is better, -1 when less is better.
        confidence: Of the slope.

    Returns:
        The trend; or `too_few_units` when fewer than two days have an effect with a spread.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.
        DataError: The days are not as many different finite numbers as there are effects.

    References:
        Cochran (1954), Biometrics 10, 101-129.
    """
    z = normal_isf(tail_of(confidence, sides=2))
    at = _places(days, len(effects)).tolist() if effects else []
    usable = [(x, e) for x, e in zip(at, effects, strict=True) if isinstance(e, Estimate) and e.se > 0]
    if len(usable) < 2:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"{len(usable)} of {len(effects)} days have an effect with a spread; a trend needs two",
        )
    x = np.array([place for place, _ in usable])
    y = np.array([effect.value for _, effect in usable])
    # In units of the sharpest day, because 1 / se² overflows for values near 1e-160.
    errors = np.array([effect.se for _, effect in usable])
    weights = (errors.min() / errors) ** 2
    from_middle = x - np.average(x, weights=weights)
    from_mean = y - np.average(y, weights=weights)
    slope = float(np.sum(weights * from_middle * from_mean) / np.sum(weights * from_middle**2))
    se = float(errors.min()) / math.sqrt(float(np.sum(weights * from_middle**2)))
    return Trend(
        effects=tuple(effects),
        slope=Estimate(
            value=slope,
            se=se,
            lower=slope - z * se,
            upper=slope + z * se,
            p_value=2 * normal_sf(abs(slope) / se),
            confidence=confidence,
            method="weighted least squares, z",
        ),
        flat_p=chi_square_sf(float(np.sum((from_mean / errors) ** 2)), len(usable) - 1),
        sign=sign,
    )
