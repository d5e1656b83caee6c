"""What the plan's method takes in units, as a multiple of one plain look at the cut-off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abflow.analysis.posterior_plan import posterior_factor
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, Role
from abflow.stats.group_sequential import inflation_factor
from abflow.stats.result import Unavailable
from abflow.stats.units_factor import ALWAYS_VALID, SPRT, bound_factor


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCost:
    """What looking early costs.

    Attributes:
        factor: Units, as a multiple of one plain look at the cut-off.
        words: What they pay for.
    """

    factor: float
    words: str


ONE_LOOK = MethodCost(factor=1.0, words="is read once")


def cost_of_a_gain(
    spec: ExperimentSpec, fractions: Sequence[float], *, mean: float, effect: float
) -> MethodCost | Unavailable:
    """What it costs that a gain of the primary may be shown at every look of the plan.

    Args:
        spec: The experiment.
        fractions: Information at each look, as a share of the plan.
        mean: Of the control.
        effect: The smallest worth detecting, in the metric's unit, without sign.
    """
    alpha, power, looks = spec.arm_alpha, spec.analysis.power, f"has {len(fractions)} looks"
    match spec.analysis.method:
        case "always_valid":
            return MethodCost(factor=ALWAYS_VALID, words="may be read every day")
        case "sprt":
            return MethodCost(factor=SPRT, words="may be read every day")
        case "group_sequential":
            return MethodCost(factor=inflation_factor(fractions, alpha=alpha, power=power), words=looks)
        # An effect of 0 is refused elsewhere, by name.
        case "bayesian" if effect > 0 and (len(fractions) > 1 or spec.analysis.prior):
            factor = posterior_factor(spec, fractions, mean=mean, effect=effect)
            if isinstance(factor, Unavailable):
                return factor
            shrinks = ", and a prior that shrinks what it sees" if spec.analysis.prior else ""
            return MethodCost(factor=factor, words=f"{looks}{shrinks}")
        case _:
            return ONE_LOOK


def cost_of_a_margin(spec: ExperimentSpec, metric: Metric, *, alpha: float) -> MethodCost:
    """What it costs that a margin may be shown at every look of the plan.

    A test that may end early judges its margins by one-sided confidence sequences, whichever method reads its
    primary. Only a posterior judges its own primary by the same probability at every look.

    Args:
        spec: The experiment.
        metric: The guardrail, or a primary that may not get worse.
        alpha: One-sided error level of its bound.
    """
    by_posterior = spec.analysis.method == "bayesian" and metric.role is Role.PRIMARY
    if not spec.analysis.is_sequential or by_posterior:
        return ONE_LOOK
    return MethodCost(factor=bound_factor(alpha=alpha, power=spec.analysis.power), words="may be shown at every look")
