"""Is an arm at most a margin worse than the control? One-sided bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from abflow.errors import SpecError
from abflow.stats.contrast import Contrast, variance_of_mean, why_not_comparable
from abflow.stats.means import MIN_UNITS
from abflow.stats.moments import Moments
from abflow.stats.proportions import hybrid_score_bounds, why_not_rates
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.root import root
from abflow.stats.tails import normal_isf, normal_sf, t_isf, t_sf, tail_of

FAR = 38.0  # standard errors; beyond, a tail is smaller than the smallest double


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """An estimate between two one-sided bounds.

    Attributes:
        value: The estimate.
        se: Its unpooled standard error; 0 when every unit of both arms is alike.
        lower: The true value is above this at the confidence asked for.
        upper: The true value is below this at the confidence asked for.
    """

    value: float
    se: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginBounds:
    """What the data say about an allowed loss; plus is good throughout.

    Attributes:
        slack: Effect plus the margin's size. Above 0, the loss stays within the margin; below, it does not.
        effect: The effect itself, for display: sign · (treatment - control).
        margin: The allowed loss as an absolute number; for a relative margin its share of the control mean.
        p_value: One-sided, of the hypothesis that the loss is the margin or more.
        confidence: Of each bound on its own.
        method: Name of the bounds.
    """

    slack: Bounds
    effect: Bounds
    margin: float
    p_value: float
    confidence: float
    method: str

    @property
    def safe(self) -> bool:
        """Whether a loss beyond the margin is ruled out."""
        return self.slack.lower > 0

    @property
    def harmed(self) -> bool:
        """Whether a loss beyond the margin is shown."""
        return self.slack.upper < 0


def margin_bounds(
    control: Moments,
    treatment: Moments,
    *,
    kind: Literal["proportion", "mean"],
    sign: Literal[1, -1],
    margin: float,
    relative: bool,
    confidence: float = 0.95,
    min_units: int = MIN_UNITS,
) -> MarginBounds | Unavailable:
    """One-sided bounds of the effect plus its margin.

    An absolute margin d is tested on s·m_t - s·m_c + |d|; a relative margin r on s·m_t - (s - |r|)·m_c
    with its own variance, because a ratio's interval misleads when the control is noisy.

    Means use Student's t with Welch's degrees of freedom: D ± t sqrt(v_t + w² v_c), D being either expression, v the
    variance of a mean and w the factor of m_c. Proportions combine Wilson bounds, as
    Newcombe's interval does: with 1 event in 100 units the textbook bound (estimate - z·SE) calls a loss of
    exactly the margin safe up to 25 % of the time instead of 5 %, and with no event at all it has width 0.

    Args:
        control: Moments per unit; of linearised units for a ratio.
        treatment: The same of the other arm.
        kind: Whether the units hold 0 or 1, or any number.
        sign: +1 when more is better, -1 when less is better.
        margin: The loss allowed, with or without its sign, in the metric's unit or as a share.
        relative: Whether the margin is a share of the control mean.
        confidence: Of each bound on its own.
        min_units: Fewest units per arm for a mean.

    Raises:
        SpecError: The margin is not finite, or the confidence not between 0.5 and 1.

    References:
        Zou, Donner (2008), Statistics in Medicine 27, 1693-1702; Welch (1947), Biometrika 34, 28-35.
    """
    tail = tail_of(confidence, sides=1)
    if not math.isfinite(margin):
        raise SpecError(f"margin {margin:g} is not a finite number; give the loss that is acceptable")
    proportion = kind == "proportion"
    refusal = (
        why_not_rates(control, treatment)
        if proportion
        else why_not_comparable(control, treatment, min_units=max(min_units, 2))
    )
    if refusal is not None:
        return refusal
    if relative and control.mean < 0:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"the control mean {control.mean:g} is negative, so a relative margin has no direction; "
            "give an absolute margin",
        )
    size = abs(margin)
    test = _Test(
        control=control,
        treatment=treatment,
        weight_control=sign - size if relative else float(sign),
        weight_treatment=float(sign),
        shift=0.0 if relative else size,
    )
    plain = _Test(control=control, treatment=treatment, weight_control=sign, weight_treatment=sign, shift=0.0)
    bounds_of = _score if proportion else _welch
    slack, effect = bounds_of(test, tail), bounds_of(plain, tail)
    if isinstance(slack, Unavailable):
        return slack
    if isinstance(effect, Unavailable):
        return effect
    return MarginBounds(
        slack=slack,
        effect=effect,
        margin=size * control.mean if relative else size,
        p_value=_p_of_score(test) if proportion else _p_of_welch(test),
        confidence=confidence,
        method="hybrid Wilson score bounds" if proportion else "Welch t bounds",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    """weight_treatment · treatment - weight_control · control + shift, against 0."""

    control: Moments
    treatment: Moments
    weight_control: float
    weight_treatment: float
    shift: float

    @property
    def value(self) -> float:
        return self.weight_treatment * self.treatment.mean - self.weight_control * self.control.mean + self.shift


def _welch(test: _Test, tail: float) -> Bounds | Unavailable:
    contrast = _contrast(test)
    refusal = contrast.why_no_spread()
    if refusal is not None:
        return refusal
    half = t_isf(tail, contrast.dof) * contrast.se
    return Bounds(value=contrast.value, se=contrast.se, lower=contrast.value - half, upper=contrast.value + half)


def _p_of_welch(test: _Test) -> float:
    contrast = _contrast(test)
    return t_sf(contrast.value / contrast.se, contrast.dof)


def _contrast(test: _Test) -> Contrast:
    return Contrast(
        value=test.value,
        var_control=test.weight_control**2 * variance_of_mean(test.control),
        var_treatment=test.weight_treatment**2 * variance_of_mean(test.treatment),
        n_control=test.control.n,
        n_treatment=test.treatment.n,
    )


def _score(test: _Test, tail: float) -> Bounds:
    lower, upper = _score_bounds(test, normal_isf(tail))
    variance = sum(
        weight**2 * arm.mean * (1 - arm.mean) / arm.n
        for arm, weight in ((test.control, test.weight_control), (test.treatment, test.weight_treatment))
    )
    return Bounds(value=test.value, se=math.sqrt(max(variance, 0.0)), lower=lower, upper=upper)


def _score_bounds(test: _Test, z: float) -> tuple[float, float]:
    lower, upper = hybrid_score_bounds(
        test.control,
        test.treatment,
        weight_control=test.weight_control,
        weight_treatment=test.weight_treatment,
        z=z,
    )
    return lower + test.shift, upper + test.shift


def _p_of_score(test: _Test) -> float:
    """The error level at which the bound on the side of 0 just touches it."""
    good = test.value >= 0

    def bound(z: float) -> float:
        lower, upper = _score_bounds(test, z)
        return lower if good else -upper

    z = FAR if bound(FAR) > 0 else root(bound, 0.0, FAR)
    return normal_sf(z if good else -z)
