"""How often a posterior rule promotes an equal version, and how often a better one, looks included."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.errors import SpecError
from abflow.stats.arrivals import apart
from abflow.stats.crossing import crossing_probabilities
from abflow.stats.normal_posterior import NormalPosterior, NormalPrior, unit_normal_loss
from abflow.stats.posterior_looks import PosteriorRule
from abflow.stats.root import root
from abflow.stats.tails import normal_isf


@dataclass(frozen=True, slots=True, kw_only=True)
class PosteriorPlan:
    """A rule and the looks at which it will be applied, in an effect of which more is better.

    Attributes:
        rule: What each look must show.
        fractions: Information at each look as a share of the plan, increasing.
        se: Standard error of the effect at fraction 1.
        prior: On the effect; None is flat.
        losers_leave: Whether a look that is `worse`, or excludes the mde, ends the test. Otherwise somebody
            goes on looking until it is won.
    """

    rule: PosteriorRule
    fractions: tuple[float, ...]
    se: float
    prior: NormalPrior | None = None
    losers_leave: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.se < math.inf:
            raise SpecError(f"a standard error of {self.se:g} at the planned end is impossible; give one above 0")
        apart(self.fractions)  # refuses looks that do not follow one another


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospects:
    """What a plan will do.

    Attributes:
        false_promotion_rate: Chance that an equal version is called better at some look.
        power: Chance that a version with the effect asked about is.
    """

    false_promotion_rate: float
    power: float


def prospects(plan: PosteriorPlan, *, effect: float) -> Prospects:
    """False-promotion rate and power of a plan, by integrating from look to look.

    Args:
        plan: Rule, looks and prior.
        effect: True effect for the power, usually the mde.

    References:
        Those of `crossing_probabilities`.
    """
    return Prospects(
        false_promotion_rate=promotion_rate(plan, effect=0.0),
        power=promotion_rate(plan, effect=effect),
    )


def promotion_rate(plan: PosteriorPlan, *, effect: float) -> float:
    """How often a version with this true effect is called better at some look.

    At a look every word of a normal posterior is a bound on the estimate, so the looks are a group-sequential
    test with bounds of their own.

    Args:
        plan: Rule, looks and prior.
        effect: The true effect, in the unit of the plan's `se`.

    References:
        Those of `crossing_probabilities`.
    """
    sides = [_bounds(plan, fraction) for fraction in plan.fractions]
    crossings = crossing_probabilities(
        [upper for _, upper in sides],
        plan.fractions,
        effect / plan.se,
        lower=[lower for lower, _ in sides],
    )
    return sum(crossings.upper)


def _bounds(plan: PosteriorPlan, fraction: float) -> tuple[float, float]:
    """Z of the data at a look below which the arm leaves, and above which it wins."""
    rule, se = plan.rule, plan.se / math.sqrt(fraction)
    unmoved = NormalPosterior(mean=0.0, sd=se) if plan.prior is None else plan.prior.after(0.0, se)
    sd = unmoved.sd

    def z_of(mean: float) -> float:
        # The posterior mean is that of an estimate of 0, plus the estimate times its weight (sd / se)².
        return (mean - unmoved.mean) * se / sd / sd

    wins = sd * normal_isf(rule.doubt)
    leaves = -wins
    if rule.max_loss is not None:
        wins = max(wins, sd * _z_of_loss(rule.max_loss / sd))
    if rule.mde is not None and rule.mde_doubt > 0:
        leaves = max(leaves, rule.mde - sd * normal_isf(rule.mde_doubt))
    # An arm that wins and leaves at once wins.
    return (z_of(min(leaves, wins)) if plan.losers_leave else -math.inf), z_of(wins)


def _z_of_loss(loss: float) -> float:
    """How many standard deviations above 0 a posterior must lie for this loss, in standard deviations."""
    # At z = -loss the distance to 0 alone is that loss; at sqrt(-2 ln loss) even the density is only 0.4 of it.
    enough = math.sqrt(max(-2 * math.log(loss), 0.0))
    return root(lambda z: math.log(unit_normal_loss(z) / loss), -loss, enough)
