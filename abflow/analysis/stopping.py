"""When a test with several planned looks ends: at which of them, and after how many units on average."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.analysis.asked import look_fractions
from abflow.analysis.sizing import Sizing
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.crossing import crossing_probabilities
from abflow.stats.group_sequential import spending_bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """Where the primary alone would end a test of the size needed; guardrails may keep it going.

    Attributes:
        fractions: Information at each look that has new units, as a share of that at the cut-off.
        with_effect: Chance that each look is the last one, with the planned effect.
        without: The same of an equal version.
        units_with_effect: Units in all arms after which the test ends on average, with the planned effect.
        units_without: The same of an equal version.
    """

    fractions: tuple[float, ...]
    with_effect: tuple[float, ...]
    without: tuple[float, ...]
    units_with_effect: float
    units_without: float


def stopping(spec: ExperimentSpec, sizing: Sizing) -> Stopping | None:
    """Where a group-sequential test ends, by integrating from look to look; None for every other plan.

    Args:
        spec: The experiment.
        sizing: What `size_test` made of it.
    """
    if spec.analysis.method != "group_sequential" or spec.analysis.preset != "clear_signals":
        return None
    plain = sizing.read_once
    if plain is None or sizing.needed is None:
        return None
    fractions = look_fractions(spec, sizing.inflow)
    bounds = spending_bounds(fractions, alpha=spec.arm_alpha)
    drift = plain.signal * math.sqrt(sizing.needed) / plain.sd_true
    better, equal = (crossing_probabilities(bounds, fractions, each) for each in (drift, 0.0))
    return Stopping(
        fractions=fractions,
        with_effect=better.stopped,
        without=equal.stopped,
        units_with_effect=better.expected_information * sizing.needed,
        units_without=equal.expected_information * sizing.needed,
    )
