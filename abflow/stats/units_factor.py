"""What a method takes in units, as a multiple of one plain look at the end."""

from __future__ import annotations

from abflow.errors import SpecError
from abflow.stats.confidence_sequence import one_sided_multiplier
from abflow.stats.tails import normal_isf

# For alpha 0.05 and power 0.80. A confidence sequence has that power by its bound on the last day alone, and 0.84 with
# every one of 14 days; the truncated SPRT has it with 14 daily looks, those that end it for futility included.
ALWAYS_VALID = 1.92
SPRT = 1.6


def history_factor(correlation: float) -> float:
    """Share of the noise that stays when a unit's history is taken off: 1 - correlation².

    Args:
        correlation: Of a unit's outcome and its history, between -1 and 1.

    Raises:
        SpecError: The correlation is impossible, or leaves no noise at all.

    References:
        Deng, Xu, Kohavi, Walker (2013), WSDM, 123-132, equation 5.
    """
    if not -1 < correlation < 1:
        raise SpecError(f"correlation {correlation:g} with the history must lie between -1 and 1")
    return 1 - correlation * correlation


def bound_factor(*, alpha: float, power: float) -> float:
    """What a margin costs that may be shown on any day, by a one-sided confidence sequence.

    ((k + z_(1-power)) / (z_alpha + z_(1-power)))², k being `one_sided_multiplier` at the planned end. It counts on
    the bound of the last day alone; that earlier days may show it as well is to spare.

    Args:
        alpha: One-sided error level of the bound.
        power: Chance of showing the margin.

    Raises:
        SpecError: The error level or the power is impossible.

    References:
        Those of `one_sided_multiplier`.
    """
    if not (0 < alpha < 0.5 and 0.5 <= power < 1):
        raise SpecError(f"alpha {alpha:g} and power {power:g} are impossible; 0.05 and 0.8 are usual")
    # At the planned end the multiplier is the same for any number of units; one is the shortest to write.
    sequence, once = one_sided_multiplier(1, alpha=alpha, planned=1), normal_isf(alpha)
    return ((sequence + normal_isf(1 - power)) / (once + normal_isf(1 - power))) ** 2
