"""How many times as likely the event is in the treatment: the risk ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.stats.moments import Moments
from abflow.stats.proportions import successes_of, why_not_rates
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, normal_sf, tail_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRatio:
    """Treatment rate over control rate.

    Attributes:
        log: The logarithm of the ratio, on which the interval is symmetric and 0 means no difference.
    """

    log: Estimate

    @property
    def value(self) -> float:
        """The ratio; 1 means no difference."""
        return math.exp(self.log.value)

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end, both above 0."""
        return math.exp(self.log.lower), math.exp(self.log.upper)


def risk_ratio(control: Moments, treatment: Moments, *, confidence: float = 0.95) -> RiskRatio | Unavailable:
    """Treatment rate over control rate, with an interval that is symmetric on the log scale.

    ln(p_t / p_c) ± z sqrt((1 - p_c) / (n_c p_c) + (1 - p_t) / (n_t p_t)), and its exponential.

    For reading; the difference of the rates decides. An arm without any event has no logarithm, and is refused:
    the half events that are often added would decide how large the ratio comes out.

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        confidence: Coverage of the interval.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Katz, Baptista, Azen, Pike (1978), Biometrics 34, 469-474, method C.
    """
    z = normal_isf(tail_of(confidence, sides=2))
    refusal = why_not_rates(control, treatment)
    if refusal is not None:
        return refusal
    of_control, of_treatment = successes_of(control), successes_of(treatment)
    if of_control == 0:
        return Unavailable(
            reason=UnavailableReason.ZERO_DENOMINATOR,
            detail=f"none of the {control.n} units of control had the event, so nothing can be divided by its rate",
        )
    if of_treatment == 0:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"none of the {treatment.n} units of treatment had the event, and 0 has no logarithm; read the "
            "difference of the rates",
        )
    variance = (control.n - of_control) / control.n / of_control
    variance += (treatment.n - of_treatment) / treatment.n / of_treatment
    if variance == 0:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail="every unit of both arms had the event, so nothing tells a difference from chance",
        )
    value, se = math.log(of_treatment / treatment.n) - math.log(of_control / control.n), math.sqrt(variance)
    return RiskRatio(
        log=Estimate(
            value=value,
            se=se,
            lower=value - z * se,
            upper=value + z * se,
            p_value=2 * normal_sf(abs(value) / se),
            confidence=confidence,
            method="log of the risk ratio, z",
        )
    )
