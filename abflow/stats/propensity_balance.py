"""Did units arrive in the planned shares when every unit had shares of its own?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from abflow.errors import DataError
from abflow.stats.contrast import variance_of_mean
from abflow.stats.moments import Moments
from abflow.stats.multiplicity import holm
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import normal_sf

# Fewer units than this and the mean of such skewed weights is not normal.
MIN_UNITS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmBalance:
    """How well the logged probabilities of one arm explain how many units it got.

    Attributes:
        mean: Mean over all units of 1 / propensity in this arm and 0 elsewhere; 1 when all is as logged.
        se: Its standard error; 0 when the arm got all units, each with the same probability.
        p_value: Two-sided, of a mean of 1; of an arm that got all units with the same probability that of getting them.
        adjusted_p: The same after Holm's correction over the arms.
    """

    mean: float
    se: float
    p_value: float
    adjusted_p: float


def propensity_balance(inverse_propensity: Mapping[str, Moments]) -> dict[str, ArmBalance] | Unavailable:
    """Test whether every arm got the units that its logged probabilities announced.

    Z = (m - 1) / se, m being the sum of 1 / propensity over the arm's units, divided by the number of all units.

    For contextual weights, which leave no share to compare counts with. Each unit counts 1 over the probability
    of the arm it got; per arm, these must add up to the number of all units. An arm without units has no
    probabilities to go by and is left out: that units are missing there shows in the others, which got too many.

    Args:
        inverse_propensity: By arm, moments of 1 / `variant_propensity` over the units that got the arm.

    Raises:
        DataError: A propensity was above 1.

    References:
        Horvitz, Thompson (1952), JASA 47, 663-685: a count weighted by 1 / propensity.
    """
    for arm, moments in inverse_propensity.items():
        if moments.n and not (math.isfinite(moments.mean) and math.isfinite(moments.m2)):
            return Unavailable(
                reason=UnavailableReason.NOT_FINITE,
                detail=f"{arm} has a missing propensity or one of 0, which no unit can have had",
            )
        if moments.n and moments.mean < 1 - 1e-9:
            raise DataError(f"arm {arm!r} has a mean 1 / propensity of {moments.mean:g}; a probability is at most 1")
    units = sum(moments.n for moments in inverse_propensity.values())
    if units < MIN_UNITS:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS if units else UnavailableReason.NO_UNITS,
            detail=f"{units} units in all arms; a test of their propensities needs {MIN_UNITS}",
        )
    found: dict[str, tuple[float, float, float]] = {}
    for arm, moments in inverse_propensity.items():
        if moments.n == 0:
            continue
        whole = moments + Moments(n=units - moments.n, mean=0.0, m2=0.0)
        mean, se = whole.mean, math.sqrt(variance_of_mean(whole))
        if se == 0 and mean <= 1:
            return Unavailable(
                reason=UnavailableReason.NO_VARIANCE,
                detail=f"{arm} got all {units} units, each with probability 1; nothing was left to chance",
            )
        p = 2 * normal_sf(abs(mean - 1) / se) if se else math.exp(-units * math.log(mean))
        found[arm] = mean, se, p
    adjusted = holm([p for _, _, p in found.values()])
    return {
        arm: ArmBalance(mean=mean, se=se, p_value=p, adjusted_p=corrected)
        for (arm, (mean, se, p)), corrected in zip(found.items(), adjusted, strict=True)
    }
