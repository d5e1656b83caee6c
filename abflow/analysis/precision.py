"""How precise the primary is against its plan; it uses no effect, so it may be looked at."""

from __future__ import annotations

from abflow.analysis.readout import Precision
from abflow.stats.tails import normal_isf

POWERED_SLACK = 1.1  # a test that misses its planned precision by a tenth is still called powered


def precision_of(*, mde: float, se: float, alpha: float, power: float, units_per_arm: float) -> Precision | None:
    """The standard error reached, against the one that finds the mde.

    Args:
        mde: The smallest effect worth detecting, without sign.
        se: Of the effect.
        alpha: Two-sided, of this comparison.
        power: The plan's.
        units_per_arm: Mean of both arms.

    Returns:
        The precision; None where nothing varied within either arm, because an error of 0 is one that nobody knows.
    """
    if se == 0:
        return None
    reach = (normal_isf(alpha / 2) + normal_isf(1 - power)) * se
    share = (mde / reach) ** 2
    return Precision(
        powered=reach <= POWERED_SLACK * mde,
        percent_of_plan=100 * share,
        more_units_per_arm=max(units_per_arm * (1 / share - 1), 0.0),
    )
