"""Does the answer hang on one unit? The estimate again, without the unit that moves it most."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

from abflow.stats.means import MIN_UNITS, difference_in_means, difference_in_ratios
from abflow.stats.moments import JointMoments, Moments
from abflow.stats.result import Estimate, Unavailable

Pair = tuple[float, float]
Side = Literal["control", "treatment"]
Unit = TypeVar("Unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Influence(Generic[Unit]):
    """What the most influential unit does to an estimate.

    Attributes:
        arm: The arm it is in.
        unit: Its value; numerator and denominator when ratios are compared.
        estimate: The estimate with all units.
        without: The estimate without it, or why there is none.
    """

    arm: Side
    unit: Unit
    estimate: Estimate
    without: Estimate | Unavailable

    @property
    def standard_errors(self) -> float:
        """How far the unit moves the estimate, in its standard errors; infinite when there is none without it."""
        if isinstance(self.without, Unavailable):
            return math.inf
        return abs(self.estimate.value - self.without.value) / self.estimate.se


def influence_on_means(
    control: Moments, treatment: Moments, *, control_extremes: Pair, treatment_extremes: Pair
) -> Influence[float] | Unavailable:
    """The unit whose absence moves the difference in means most.

    It is the lowest or the highest of its arm, because a unit moves the mean by its distance from it.

    Args:
        control: Moments of the control.
        treatment: Moments of the treatment.
        control_extremes: Lowest and highest value of a unit in the control.
        treatment_extremes: The same in the treatment.

    Returns:
        The unit's influence; or why there is no difference to be moved.

    References:
        Hampel (1974), JASA 69, 383-393, on what one unit does to an estimate.
    """
    estimate = difference_in_means(control, treatment)
    if isinstance(estimate, Unavailable):
        return estimate
    again = partial(difference_in_means, min_units=MIN_UNITS - 1)
    return most_influential(
        estimate,
        control={value: again(control.without(value), treatment) for value in control_extremes},
        treatment={value: again(control, treatment.without(value)) for value in treatment_extremes},
    )


def influence_on_ratios(
    control: JointMoments,
    treatment: JointMoments,
    *,
    control_extremes: tuple[Pair, Pair],
    treatment_extremes: tuple[Pair, Pair],
) -> Influence[Pair] | Unavailable:
    """The unit whose absence moves the difference in ratios most, among those given.

    Args:
        control: Moments of numerator and denominator in the control.
        treatment: The same of the treatment.
        control_extremes: Numerator and denominator of the control's units in which numerator - ratio times
            denominator is lowest and highest; these move the ratio most unless one unit holds much of the
            denominator, and then there is no estimate.
        treatment_extremes: The same in the treatment.

    Returns:
        The unit's influence; or why there is no difference to be moved.

    References:
        Those of `influence_on_means`.
    """
    estimate = difference_in_ratios(control, treatment)
    if isinstance(estimate, Unavailable):
        return estimate
    again = partial(difference_in_ratios, min_units=MIN_UNITS - 1)
    return most_influential(
        estimate,
        control={pair: again(_without(control, pair), treatment) for pair in control_extremes},
        treatment={pair: again(control, _without(treatment, pair)) for pair in treatment_extremes},
    )


def _without(joint: JointMoments, pair: Pair) -> JointMoments:
    """Moments after the unit with this numerator and denominator is left out."""
    x, y = joint.x.without(pair[0]), joint.y.without(pair[1])
    cross = joint.cross - (pair[0] - joint.mean_x) * (pair[1] - y.mean)
    return JointMoments(n=x.n, mean_x=x.mean, mean_y=y.mean, m2_x=x.m2, m2_y=y.m2, cross=cross)


def most_influential(
    estimate: Estimate,
    *,
    control: Mapping[Unit, Estimate | Unavailable],
    treatment: Mapping[Unit, Estimate | Unavailable],
) -> Influence[Unit]:
    """The unit without which the estimate lies furthest away.

    Args:
        estimate: Of all units.
        control: What is left of it without each of these units of the control.
        treatment: The same for units of the treatment.

    References:
        Those of `influence_on_means`.
    """
    candidates = [
        *(Influence(arm="control", unit=unit, estimate=estimate, without=left) for unit, left in control.items()),
        *(Influence(arm="treatment", unit=unit, estimate=estimate, without=left) for unit, left in treatment.items()),
    ]
    return max(candidates, key=lambda one: one.standard_errors)
