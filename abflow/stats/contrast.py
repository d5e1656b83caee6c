"""A difference between two arms and what each arm adds to its variance, read with Student's t."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.stats.moments import Moments
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import t_isf, t_sf, tail_of


def why_not_comparable(control: Moments, treatment: Moments, *, min_units: int) -> Unavailable | None:
    """Why two arms cannot be compared at all, or None when they can."""
    arms = (("control", control), ("treatment", treatment))
    for name, arm in arms:
        if arm.n == 0:
            return Unavailable(reason=UnavailableReason.NO_UNITS, detail=f"{name} has no units")
    for name, arm in arms:
        if not (math.isfinite(arm.mean) and math.isfinite(arm.m2)):
            return Unavailable(
                reason=UnavailableReason.NOT_FINITE,
                detail=f"{name} holds an infinite, missing or too large value (mean {arm.mean:g})",
            )
    for name, arm in arms:
        if arm.n < min_units:
            units = "1 unit" if arm.n == 1 else f"{arm.n} units"
            return Unavailable(
                reason=UnavailableReason.TOO_FEW_UNITS,
                detail=f"{name} has {units}; this comparison needs at least {min_units} per arm",
            )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A weighted difference of two independent estimates.

    Attributes:
        value: The estimated difference.
        var_control: What the control's sampling adds to the variance of `value`.
        var_treatment: What the treatment's sampling adds to it.
        n_control: Units in the control, at least 2.
        n_treatment: Units in the treatment, at least 2.
    """

    value: float
    var_control: float
    var_treatment: float
    n_control: int
    n_treatment: int

    @property
    def se(self) -> float:
        """Standard error of the difference."""
        return math.sqrt(self.var_control + self.var_treatment)

    @property
    def dof(self) -> float:
        """Degrees of freedom of Student's t: (v_c + v_t)² / (v_c²/(n_c - 1) + v_t²/(n_t - 1)).

        References:
            Welch (1947), Biometrika 34, 28-35; Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
        """
        # Shares of the variance instead of its squares, which overflow for values near 1e80.
        total = self.var_control + self.var_treatment
        control, treatment = self.var_control / total, self.var_treatment / total
        return 1 / (control * control / (self.n_control - 1) + treatment * treatment / (self.n_treatment - 1))

    def why_no_spread(self) -> Unavailable | None:
        """Why the difference has no usable standard error, or None when it has one."""
        if not (math.isfinite(self.value) and math.isfinite(self.se)):
            return Unavailable(reason=UnavailableReason.NOT_FINITE, detail="the values are too large to be compared")
        if self.se == 0:
            return Unavailable(
                reason=UnavailableReason.NO_VARIANCE,
                detail="both arms are constant, so nothing tells a difference from chance",
            )
        return None

    def estimate(self, *, confidence: float, method: str) -> Estimate | Unavailable:
        """The difference with its two-sided interval and p-value; see `estimate_by_t`.

        Raises:
            SpecError: The confidence is not between 0.5 and 1.
        """
        refusal = self.why_no_spread()
        if refusal is not None:
            return refusal
        return estimate_by_t(self.value, self.se, dof=self.dof, confidence=confidence, method=method)


def estimate_by_t(value: float, se: float, *, dof: float, confidence: float, method: str) -> Estimate:
    """An estimate with the two-sided interval and p-value of Student's t.

    value ± t se, and p = 2 P(T > abs(value) / se).

    Args:
        value: The estimate, in any unit.
        se: Its standard error, in the same unit, above 0.
        dof: Degrees of freedom of t.
        confidence: Coverage of the interval.
        method: Name of the method.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Welch (1947), Biometrika 34, 28-35, whose degrees of freedom a contrast of two arms has.
    """
    half = t_isf(tail_of(confidence, sides=2), dof) * se
    return Estimate(
        value=value,
        se=se,
        lower=value - half,
        upper=value + half,
        p_value=2 * t_sf(abs(value) / se, dof),
        confidence=confidence,
        method=method,
    )


def variance_of_mean(arm: Moments) -> float:
    """Squared standard error of an arm's mean, s²/n; exactly 0 when its units differ by rounding only."""
    return 0.0 if arm.is_constant else arm.variance / arm.n
