"""A normal posterior of an effect, flat or with a prior on the absolute effect or on the relative lift."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abflow.errors import SpecError
from abflow.stats.marginal import Profile
from abflow.stats.means import MIN_UNITS, relative_lift
from abflow.stats.moments import Moments
from abflow.stats.panel_quadrature import GRADED
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, normal_sf, tail_of

# Beyond 38 standard deviations a normal tail is smaller than the smallest double.
FARTHEST = 38.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalPrior:
    """What is believed of an effect before the data: normal around `mean`.

    Attributes:
        mean: In the unit of the effect.
        sd: In the same unit.
    """

    mean: float = 0.0
    sd: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.sd < math.inf):
            raise SpecError(
                f"a normal prior with mean {self.mean:g} and sd {self.sd:g} is impossible; the sd must be a finite "
                "number above 0, and no prior at all is a flat one"
            )

    def after(self, value: float, se: float) -> NormalPosterior:
        """What is believed after an estimate with its standard error: precisions add and weigh the means.

        N(m + w (value - m), w se²) with w = sd² / (sd² + se²), for a prior N(m, sd²).

        Args:
            value: Of the estimate, in the unit of the effect.
            se: Its standard error, above 0.

        References:
            Gelman et al. (2013), Bayesian Data Analysis (third edition), section 2.5.
        """
        share = self.sd / math.hypot(se, self.sd)
        return NormalPosterior(mean=self.mean + share * share * (value - self.mean), sd=se * share)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalPosterior:
    """A value, an effect or one arm's mean, distributed normally.

    The losses speak of an effect of which more is better; of any other ask `reversed`.

    Attributes:
        mean: In the unit of the value.
        sd: In the same unit.
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0 < self.sd < math.inf):
            raise SpecError(
                f"a normal posterior with mean {self.mean:g} and sd {self.sd:g} is impossible; make it with "
                "effect_posterior, which says why there is none"
            )

    @property
    def method(self) -> str:
        """Name of the posterior."""
        return "normal posterior"

    @property
    def reversed(self) -> NormalPosterior:
        """The same with plus and minus exchanged."""
        return NormalPosterior(mean=-self.mean, sd=self.sd)

    def probability_above(self, threshold: float = 0.0) -> float:
        """Probability that the value exceeds a threshold.

        Args:
            threshold: In the unit of the value.

        Raises:
            SpecError: The threshold is not finite.
        """
        if not math.isfinite(threshold):
            raise SpecError("the threshold is not a finite number; give the effect to compare with")
        return normal_sf((threshold - self.mean) / self.sd)

    def probability_below(self, threshold: float = 0.0) -> float:
        """Probability that the value falls short of a threshold.

        Args:
            threshold: In the unit of the value.

        Raises:
            SpecError: The threshold is not finite.
        """
        return self.reversed.probability_above(-threshold)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Credible interval with the same probability beyond either end; it is also the shortest.

        Args:
            confidence: Probability inside, such as 0.95.

        Raises:
            SpecError: The confidence is not between 0.5 and 1.
        """
        half = normal_isf(tail_of(confidence, sides=2)) * self.sd
        return self.mean - half, self.mean + half

    @property
    def loss_of_choosing(self) -> float:
        """Effect given away on average by serving the treatment: E max(-effect, 0).

        sd (φ(z) - z Φ(-z)), z = mean / sd
        """
        return self.sd * unit_normal_loss(self.mean / self.sd)

    @property
    def loss_of_keeping(self) -> float:
        """Effect given away on average by keeping the control: E max(effect, 0)."""
        return self.reversed.loss_of_choosing

    def panel_ends(self) -> NDArray[np.float64]:
        """Where to cut the line, so that the density is resolved between the cuts."""
        steps = self.sd * np.append(GRADED[GRADED < FARTHEST], FARTHEST)
        return self.mean + np.concatenate([-steps[::-1], steps])

    def profile(self, values: NDArray[np.float64]) -> Profile:
        """Density and both tails at these values."""
        from scipy import special

        z = (values - self.mean) / self.sd
        return Profile(
            density=np.exp(-z * z / 2) / (self.sd * math.sqrt(2 * math.pi)),
            below=special.ndtr(z),
            above=special.ndtr(-z),
            stretch=np.ones_like(z),
        )


def unit_normal_loss(z: float) -> float:
    """Expected shortfall below 0 of a normal with mean `z` and standard deviation 1: density(z) - z · sf(z).

    References:
        Raiffa, Schlaifer (1961), Applied Statistical Decision Theory, on the unit normal linear-loss integral.
    """
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) - z * normal_sf(z)


def lift_prior(lift_sd: float, *, control_mean: float) -> NormalPrior | Unavailable:
    """A prior on the relative lift, N(0, lift_sd²), as a prior on the absolute effect.

    Args:
        lift_sd: As a share, such as 0.05 when two lifts in three are believed to lie within 5 %.
        control_mean: As estimated from the control; its own error is ignored, which is small beside the prior's.

    Raises:
        SpecError: The prior's standard deviation is not above 0 and finite.

    References:
        Those of `effect_posterior`.
    """
    relative = NormalPrior(sd=lift_sd)
    if not math.isfinite(control_mean):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail=f"the control mean is {control_mean:g}")
    if control_mean <= 0:
        reason = UnavailableReason.METHOD_NOT_VALID_HERE if control_mean < 0 else UnavailableReason.BASELINE_NEAR_ZERO
        return Unavailable(
            reason=reason, detail=f"nothing is relative to a control mean of {control_mean:g}, so no prior of lifts is"
        )
    return NormalPrior(sd=relative.sd * control_mean)


def effect_posterior(value: float, se: float, *, prior: NormalPrior | None = None) -> NormalPosterior | Unavailable:
    """What is known of an effect after an estimate with its standard error.

    N(value, se²) when the prior is flat, else as `NormalPrior.after`. The error counts as known, so that with
    fewer than about 100 units per arm the posterior is a little too sure.

    Args:
        value: Estimated effect, absolute or relative.
        se: Its standard error.
        prior: On the same effect; flat when left out.

    References:
        Gelman et al. (2013), Bayesian Data Analysis (third edition), section 2.5.
    """
    if not (math.isfinite(value) and math.isfinite(se)):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail="the estimate or its error is not finite")
    if se <= 0:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail="the estimate has no spread, so nothing tells an effect from chance",
        )
    return NormalPosterior(mean=value, sd=se) if prior is None else prior.after(value, se)


def lift_posterior(
    control: Moments, treatment: Moments, *, lift_sd: float | None = None, min_units: int = MIN_UNITS
) -> NormalPosterior | Unavailable:
    """What is known of the relative lift, from its delta-method estimate; for reading, never for deciding.

    `effect_posterior` of m_t / m_c - 1 and its standard error.

    Args:
        control: Moments per unit.
        treatment: The same of the other arm.
        lift_sd: Of a prior N(0, lift_sd²) on the lift; flat when left out.
        min_units: Fewest units per arm.

    Raises:
        SpecError: The prior's standard deviation is not above 0 and finite.

    References:
        Those of `effect_posterior`, and Deng, Knoblich, Lu (2018), KDD, 233-242, on percent change.
    """
    prior = None if lift_sd is None else NormalPrior(sd=lift_sd)
    lift = relative_lift(control, treatment, min_units=min_units)
    return (
        lift if isinstance(lift, Unavailable) else effect_posterior(lift.estimate.value, lift.estimate.se, prior=prior)
    )
