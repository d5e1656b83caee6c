"""Differences of means and ratios, and relative lifts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from abflow.stats.contrast import Contrast, estimate_by_t, variance_of_mean, why_not_comparable
from abflow.stats.moments import JointMoments, Moments
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, t_isf, tail_of

# Below 10 units an arm's variance is known to a factor of about 2 and one unit can carry the verdict.
MIN_UNITS = 10
# Above this the denominator's own error bends the ratio, and the delta method's straight line misses it.
MAX_DENOMINATOR_ERROR = 0.1
# Fieller's g at which the delta and Fieller intervals of a lift begin to disagree visibly.
UNSTABLE_G = 0.05


def difference_in_means(
    control: Moments, treatment: Moments, *, confidence: float = 0.95, min_units: int = MIN_UNITS
) -> Estimate | Unavailable:
    """Treatment mean minus control mean, with a Welch interval.

    m_t - m_c ± t sqrt(s_c²/n_c + s_t²/n_t), t with the degrees of freedom of `Contrast.dof`.

    Args:
        control: Moments per unit.
        treatment: The same of the other arm.
        confidence: Coverage of the interval.
        min_units: Fewest units per arm.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Welch (1947), Biometrika 34, 28-35.
    """
    refusal = why_not_comparable(control, treatment, min_units=max(min_units, 2))
    if refusal is not None:
        return refusal
    return _difference(control, treatment).estimate(confidence=confidence, method="Welch t")


def _difference(control: Moments, treatment: Moments) -> Contrast:
    return Contrast(
        value=treatment.mean - control.mean,
        var_control=variance_of_mean(control),
        var_treatment=variance_of_mean(treatment),
        n_control=control.n,
        n_treatment=treatment.n,
    )


def difference_in_ratios(
    control: JointMoments, treatment: JointMoments, *, confidence: float = 0.95, min_units: int = MIN_UNITS
) -> Estimate | Unavailable:
    """Treatment ratio minus control ratio, sum over sum, the unit as cluster.

    An arm's R = Σx / Σy has the variance (s_x² - 2 R s_xy + R² s_y²) / (n m_y²). Student's t with Welch's degrees
    of freedom on the linearised units; with a denominator of 1 in every unit this is the difference in means.

    Args:
        control: Moments of numerator x and denominator y per unit.
        treatment: The same of the other arm.
        confidence: Coverage of the interval.
        min_units: Fewest units per arm.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Deng, Knoblich, Lu (2018), KDD, 233-242.
    """
    linear_control = ratio_moments(control, arm="control")
    linear_treatment = ratio_moments(treatment, arm="treatment")
    if isinstance(linear_control, Unavailable):
        return linear_control
    if isinstance(linear_treatment, Unavailable):
        return linear_treatment
    got = difference_in_means(linear_control, linear_treatment, confidence=confidence, min_units=min_units)
    return got if isinstance(got, Unavailable) else replace(got, method="delta method, Welch t")


def ratio_moments(joint: JointMoments, *, arm: str) -> Moments | Unavailable:
    """One arm's ratio as the mean of linearised units, ready for any comparison of means.

    Args:
        joint: Numerator and denominator per unit. Units with (0, 0) belong to it.
        arm: The arm's name, for the words of a refusal.

    References:
        Deng, Knoblich, Lu (2018), KDD, 233-242.
    """
    if joint.n == 0:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail=f"{arm} has no units")
    if not joint.is_finite:
        return Unavailable(
            reason=UnavailableReason.NOT_FINITE,
            detail=f"{arm} holds an infinite, missing or too large value",
        )
    if joint.mean_y == 0:
        return Unavailable(reason=UnavailableReason.ZERO_DENOMINATOR, detail=f"the denominators of {arm} add up to 0")
    if joint.n < 2:
        return Unavailable(reason=UnavailableReason.TOO_FEW_UNITS, detail=f"{arm} has only one unit")
    error = math.sqrt(variance_of_mean(joint.y)) / abs(joint.mean_y)
    if error > MAX_DENOMINATOR_ERROR:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"the mean denominator of {arm} is known only to {error:.0%}; the delta method needs "
            f"{MAX_DENOMINATOR_ERROR:.0%}",
        )
    return joint.linearised()


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeLift:
    """How many times larger the treatment is, minus 1: for reading, never for deciding.

    Attributes:
        estimate: Lift with the delta-method interval and p-value.
        fieller: Ends of Fieller's interval, or why it is unbounded.
        g: Fieller's g at 95 %: the control mean's relative half-width, squared.
    """

    estimate: Estimate
    fieller: tuple[float, float] | Unavailable
    g: float

    @property
    def unstable(self) -> bool:
        """Whether the control is so close to 0 that the two intervals may disagree."""
        return self.g > UNSTABLE_G


def relative_lift(
    control: Moments, treatment: Moments, *, confidence: float = 0.95, min_units: int = MIN_UNITS
) -> RelativeLift | Unavailable:
    """Treatment over control minus 1, by the delta method and by Fieller.

    With r = m_t / m_c and the variances v of the means in units of m_c²: by the delta method
    r - 1 ± t sqrt(v_t + r² v_c); by Fieller (r ± z sqrt(v_t (1 - g) + r² v_c)) / (1 - g) - 1, where g = z² v_c.

    Refused when the control mean's 95 % interval holds 0, or the control mean is negative. The delta interval
    uses the degrees of freedom of the absolute difference, of which it is the reading aid.

    Args:
        control: Moments per unit.
        treatment: The same of the other arm.
        confidence: Coverage of both intervals.
        min_units: Fewest units per arm.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Fieller (1954), JRSS B 16, 175-185; Deng, Knoblich, Lu (2018), KDD, 233-242, on percent change.
    """
    refusal = why_not_comparable(control, treatment, min_units=max(min_units, 2))
    if refusal is not None:
        return refusal
    var_c, var_t = variance_of_mean(control), variance_of_mean(treatment)
    if abs(control.mean) <= t_isf(0.025, control.n - 1) * math.sqrt(var_c):
        return Unavailable(
            reason=UnavailableReason.BASELINE_NEAR_ZERO,
            detail=f"the 95 % interval of the control mean {control.mean:g} holds 0, so nothing can be "
            "expressed relative to it",
        )
    if control.mean < 0:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"the control mean {control.mean:g} is negative; read the absolute difference",
        )
    difference = _difference(control, treatment)
    refusal = difference.why_no_spread()
    if refusal is not None:
        return refusal
    ratio = treatment.mean / control.mean
    relative_c, relative_t = var_c / control.mean / control.mean, var_t / control.mean / control.mean
    se = math.sqrt(relative_t + ratio * ratio * relative_c)
    if se == 0 or not math.isfinite(se):
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"a treatment mean of {treatment.mean:g} over a control mean of {control.mean:g} has no "
            "usable standard error; read the absolute difference",
        )
    estimate = estimate_by_t(
        ratio - 1,
        se,
        dof=difference.dof,
        confidence=confidence,
        method="delta method, Welch t",
    )
    return RelativeLift(
        estimate=estimate,
        fieller=_fieller(ratio, relative_c, relative_t, confidence),
        g=normal_isf(0.025) ** 2 * relative_c,
    )


def _fieller(
    ratio: float, relative_c: float, relative_t: float, confidence: float
) -> tuple[float, float] | Unavailable:
    # Normal, not t: Welch's degrees of freedom would depend on the very ratio that is being bounded.
    z = normal_isf(tail_of(confidence, sides=2))
    g = z * z * relative_c
    if g >= 1:
        return Unavailable(
            reason=UnavailableReason.BASELINE_NEAR_ZERO,
            detail=f"at {confidence:.2%} the control mean may be 0, so Fieller's interval has no ends",
        )
    centre = ratio / (1 - g)
    half = z * math.sqrt(relative_t * (1 - g) + ratio * ratio * relative_c) / (1 - g)
    return centre - half - 1, centre + half - 1
