"""What a plan read by posterior promises: how often it promotes an equal version, and one with the planned effect."""

from __future__ import annotations

import math
from collections.abc import Sequence

from abflow.spec.experiment import ExperimentSpec
from abflow.stats.normal_posterior import NormalPrior
from abflow.stats.posterior_looks import posterior_rule
from abflow.stats.posterior_prospects import PosteriorPlan, promotion_rate
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.root import root
from abflow.stats.tails import normal_isf

# Beyond so many times the units of one plain test nobody runs a test.
MOST = 1000.0


def posterior_plan(
    spec: ExperimentSpec, fractions: Sequence[float], *, mean: float, effect: float, se: float
) -> PosteriorPlan:
    """The rule of the plan at its looks.

    Args:
        spec: The experiment.
        fractions: Information at each look, as a share of the plan.
        mean: Of the control, which a prior on the relative lift is a share of.
        effect: The smallest worth detecting, in the metric's unit, without sign.
        se: Standard error of the effect at the cut-off.
    """
    prior = spec.analysis.prior
    return PosteriorPlan(
        rule=posterior_rule(len(spec.looks), alpha=spec.arm_alpha, mde=effect),
        fractions=tuple(fractions),
        se=se,
        prior=NormalPrior(sd=prior.lift_sd * abs(mean)) if prior and mean else None,
    )


def posterior_factor(
    spec: ExperimentSpec, fractions: Sequence[float], *, mean: float, effect: float
) -> float | Unavailable:
    """Units that give a posterior rule its power, as a multiple of those of one plain test."""
    power, prior = spec.analysis.power, spec.analysis.prior
    plain = normal_isf(spec.arm_alpha / 2) + normal_isf(1 - power)

    def shortfall(factor: float) -> float:
        plan = posterior_plan(spec, fractions, mean=mean, effect=effect, se=effect / plain / math.sqrt(factor))
        return promotion_rate(plan, effect=effect) - power

    # One look without a prior takes 1; half of that is too little for any plan.
    enough = 2.0
    while shortfall(enough) < 0:
        enough *= 2
        if enough > MOST:
            believed = f"lifts of 0 ± {100 * prior.lift_sd:g} %" if prior else "nothing"
            return Unavailable(
                reason=UnavailableReason.METHOD_NOT_VALID_HERE,
                detail=f"a prior that believes in {believed} needs more than {MOST:g} times the units of a plain test "
                f"to see an effect of {effect:g}; widen analysis.prior",
            )
    return root(shortfall, enough / 4, enough)
