"""Differences made sharper by what the units did before: CUPED."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from abflow.errors import SpecError
from abflow.stats.means import ratio_moments
from abflow.stats.moments import JointMoments, Moments
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.vector_moments import VectorMoments


@dataclass(frozen=True, slots=True, kw_only=True)
class CupedArm:
    """One arm before and after the adjustment.

    Attributes:
        pair: Outcome and covariate per unit, in this order; of a ratio, both linearised.
        theta: What is taken off the outcome per unit of covariate; 0 when nothing is adjusted.
        centre: Covariate at which nothing is taken off: the control's mean.
    """

    pair: VectorMoments
    theta: float
    centre: float

    @property
    def unadjusted(self) -> Moments:
        """The outcome as it was observed."""
        return self.pair.linear((1, 0))

    @property
    def covariate(self) -> Moments:
        """What the units did before; a difference between arms here is chance or a broken split."""
        return self.pair.linear((0, 1))

    @property
    def adjusted(self) -> Moments:
        """The outcome less theta · (covariate - centre), ready for any comparison of means.

        A proportion is a mean here: its p-value comes from Welch's t, no longer from the pooled z.
        """
        if self.theta == 0:
            return self.unadjusted
        taken_off = self.pair.linear((1, -self.theta))
        return replace(taken_off, mean=self.pair.mean[0] - self.theta * (self.pair.mean[1] - self.centre))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuped:
    """All arms adjusted with one coefficient.

    Attributes:
        arms: The control first, then the treatments as they were given.
        theta: Covariance over variance of the covariate, over the units of all arms stacked.
        correlation: Of outcome and covariate over the same units; 0 when nothing is adjusted.
        why_unadjusted: Why the outcome was left as it is, or None when it was adjusted.
    """

    arms: tuple[CupedArm, ...]
    theta: float
    correlation: float
    why_unadjusted: Unavailable | None

    @property
    def design_effect(self) -> float:
        """Share of the variance, and of the units a test needs, that the adjustment leaves: 1 - rho²."""
        return 1 - self.correlation * self.correlation


def cuped_of_means(arms: Sequence[VectorMoments]) -> Cuped:
    """Means, counts or proportions adjusted by the same metric before the test.

    y - θ (x - m_x), θ = cov(x, y) / var(x) over the units of all arms, which leaves 1 - ρ² of the variance.

    Each arm's covariate is centred at the control's mean m_x: the control keeps the mean that was observed, and
    a lift is relative to that mean. Centred anywhere else the differences are the same.

    Args:
        arms: Per unit an outcome and a covariate (0 without history); the control first.

    Returns:
        The arms, unadjusted and with the reason when the covariate cannot help.

    Raises:
        SpecError: There are fewer than two arms, or other numbers per unit than these.

    References:
        Deng, Xu, Kohavi, Walker (2013), WSDM, 123-132, section 3.2, equations 4, 5 and 7.
    """
    _check(arms, numbers=2, what="an outcome and a covariate")
    return _adjusted(arms, stacked=_stacked(arms))


def cuped_of_ratios(arms: Sequence[VectorMoments]) -> Cuped | Unavailable:
    """Ratios adjusted by the same ratio before the test.

    As `cuped_of_means`, y being R + (num - R den) / m_den of each unit during the test, and x the same before it.

    Args:
        arms: Per unit numerator, denominator, and both again before the test; the control first.

    Returns:
        The arms, outcome and covariate linearised around each arm's own ratios; or why an arm has no ratio.
        A ratio before the test that has no use leaves the arms unadjusted.

    Raises:
        SpecError: There are fewer than two arms, or other numbers per unit than these.

    References:
        Deng, Xu, Kohavi, Walker (2013), WSDM, 123-132, appendix B, equation 8; Deng, Knoblich, Lu (2018), KDD,
        233-242, on the linearisation.
    """
    _check(arms, numbers=4, what="numerator and denominator, during and before")
    for index, arm in enumerate(arms):
        during = ratio_moments(_joint(arm, 0, 1), arm=_name(index))
        if isinstance(during, Unavailable):
            return during
    for index, arm in enumerate(arms):
        before = ratio_moments(_joint(arm, 2, 3), arm=f"{_name(index)} before the test")
        if isinstance(before, Unavailable):
            return _unadjusted([_linearised(arm, before=False) for arm in arms], before)
    # The coefficient is that of the stacked units around the ratios of them all.
    return _adjusted([_linearised(arm) for arm in arms], stacked=_linearised(_stacked(arms)))


def _check(arms: Sequence[VectorMoments], *, numbers: int, what: str) -> None:
    if len(arms) < 2:
        raise SpecError(f"{len(arms)} arms cannot be compared; give the control and at least one treatment")
    for arm in arms:
        if len(arm.mean) != numbers:
            raise SpecError(f"units with {len(arm.mean)} numbers; CUPED needs {numbers}: {what}")


def _name(index: int) -> str:
    return "control" if index == 0 else f"treatment {index}"


def _stacked(arms: Sequence[VectorMoments]) -> VectorMoments:
    total = arms[0]
    for arm in arms[1:]:
        total = total + arm
    return total


def _joint(arm: VectorMoments, x: int, y: int) -> JointMoments:
    return JointMoments(
        n=arm.n,
        mean_x=arm.mean[x],
        mean_y=arm.mean[y],
        m2_x=arm.cross[x][x],
        m2_y=arm.cross[y][y],
        cross=arm.cross[x][y],
    )


def _linearised(arm: VectorMoments, *, before: bool = True) -> VectorMoments:
    """Both ratios as one number per unit each, as `JointMoments.linearised` does for one of them."""
    numerator, denominator, numerator_before, denominator_before = arm.mean
    ratio = numerator / denominator
    outcome = (1 / denominator, -ratio / denominator, 0.0, 0.0)
    if not before:
        return replace(arm.mapped([outcome, (0.0,) * 4]), mean=(ratio, 0.0))
    ratio_before = numerator_before / denominator_before
    covariate = (0.0, 0.0, 1 / denominator_before, -ratio_before / denominator_before)
    return replace(arm.mapped([outcome, covariate]), mean=(ratio, ratio_before))


def _adjusted(pairs: Sequence[VectorMoments], *, stacked: VectorMoments) -> Cuped:
    refusal = _why_not_adjusted(pairs, stacked)
    if refusal is not None:
        return _unadjusted(pairs, refusal)
    (of_outcome, together), (_, of_covariate) = stacked.cross
    theta = together / of_covariate
    return Cuped(
        arms=tuple(CupedArm(pair=pair, theta=theta, centre=pairs[0].mean[1]) for pair in pairs),
        theta=theta,
        # Roots first: the product of two sums of squares overflows for values near 1e80.
        correlation=max(-1.0, min(together / math.sqrt(of_outcome) / math.sqrt(of_covariate), 1.0)),
        why_unadjusted=None,
    )


def _why_not_adjusted(pairs: Sequence[VectorMoments], stacked: VectorMoments) -> Unavailable | None:
    for index, pair in enumerate(pairs):
        if pair.n == 0:
            return Unavailable(reason=UnavailableReason.NO_UNITS, detail=f"{_name(index)} has no units")
    if not stacked.is_finite:
        return Unavailable(
            reason=UnavailableReason.NOT_FINITE, detail="outcome or covariate holds an infinite or missing value"
        )
    for what, constant in (
        ("covariate", stacked.linear((0, 1)).is_constant),
        ("outcome", stacked.linear((1, 0)).is_constant),
    ):
        if constant:
            return Unavailable(
                reason=UnavailableReason.NO_VARIANCE,
                detail=f"the {what} is the same in every unit, so there is nothing to adjust by",
            )
    return None


def _unadjusted(pairs: Sequence[VectorMoments], why: Unavailable) -> Cuped:
    if why.reason is UnavailableReason.NOT_FINITE:
        # An infinite past must not be carried along with a sound outcome.
        pairs = [pair.mapped([(1, 0), (0, 0)]) for pair in pairs]
    return Cuped(
        arms=tuple(CupedArm(pair=pair, theta=0.0, centre=0.0) for pair in pairs),
        theta=0.0,
        correlation=0.0,
        why_unadjusted=why,
    )
