"""Bounds for a few planned looks, so that looking early costs no false wins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from abflow.errors import SpecError
from abflow.stats.arrivals import CLOSEST, apart, each_look, first_look
from abflow.stats.crossing import crossing_probabilities, drift_for_power
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.root import root
from abflow.stats.spending import OBRIEN_FLEMING, Spending
from abflow.stats.tails import normal_isf


def spending_bounds(
    fractions: Sequence[float], *, alpha: float, spending: Spending = OBRIEN_FLEMING
) -> tuple[float, ...]:
    """Bounds of abs(Z) at planned looks, by a spending function.

    b_k solves P(abs(Z_j) < b_j for all j < k, Z_k > b_k) = f(t_k) - f(t_(k-1)) when there is no effect, f being what
    one side has spent.

    `alpha` is two-sided and spent as symmetric one-sided halves: each side spends alpha/2 by itself. (Tables
    that spend the two-sided level at once: `spending=OBRIEN_FLEMING_WHOLE`.)

    Args:
        fractions: Units at each look as a share of the plan, increasing. The last may exceed 1: everything is
            spent there, and the earlier looks weigh as much as they do against the larger number.
        alpha: Two-sided error level of the whole test.
        spending: How the level is spread over the looks.

    Raises:
        SpecError: The error level is impossible, the fractions do not increase, or a look before the last reaches 1.

    References:
        Lan, DeMets (1983), Biometrika 70, 659-663; Jennison, Turnbull (2000), Group Sequential Methods, chapter 7.
    """
    tail = _tail(alpha)
    times = apart(fractions)
    if len(fractions) > 1 and fractions[-2] >= 1:
        raise SpecError(f"information fractions {tuple(fractions)}: only the last look may reach 1, where all is spent")
    spent = [0.0, *(spending.spent(fraction, tail=tail) for fraction in fractions)]
    tails = [after - before for before, after in pairwise(spent)]
    look = first_look(times[0])
    bounds = [look.bound(tails[0])]
    for to, left in zip(times[1:], tails[1:], strict=True):
        look = look.onward(-bounds[-1], bounds[-1], to=to)
        bounds.append(look.bound(left))
    return tuple(bounds)


def _tail(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise SpecError(f"alpha {alpha:g} must lie between 0 and 1; 0.05, two-sided, is usual")
    return alpha / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look that was taken, kept so that what it spent stays spent.

    Attributes:
        fraction: Units it was taken on, as a share of the plan.
        bound: Of abs(Z); the test ends when it is reached. 38, which nothing reaches, where nothing was to spend.
        spent: Error level used up on each side, this look included.
    """

    fraction: float
    bound: float
    spent: float

    def crossed(self, z: float) -> bool:
        """Whether the test ends here, with this standardised effect."""
        return abs(z) >= self.bound


def next_look(
    taken: Sequence[Look],
    fraction: float,
    *,
    alpha: float,
    spending: Spending = OBRIEN_FLEMING,
    last: bool = False,
) -> Look | Unavailable:
    """The bound of the next look, given the looks taken so far as they were taken.

    Looks may come at other times than planned, and be more or fewer: each spends what has become due since the
    one before. Spent stays spent even when the past is restated.

    Args:
        taken: Earlier looks, none of which ended the test, in their order.
        fraction: Units now as a share of the plan; beyond 1 in an over-run.
        alpha: Two-sided error level of the whole test, spent as symmetric one-sided halves.
        spending: How the level is spread over the looks.
        last: Whether this is the last look there will be. It spends all that is left, however few units came, and
            is taken even when none came since the look before, because an answer is due.

    Returns:
        The look, with a bound out of reach when an over-run has spent everything before; or `no_units`, or
        `too_few_units` when none came since the look before.

    Raises:
        SpecError: The error level or the spending is impossible.

    References:
        Lan, DeMets (1983), Biometrika 70, 659-663.
    """
    tail = _tail(alpha)
    before = taken[-1] if taken else Look(fraction=0.0, bound=0.0, spent=0.0)
    if last and taken and math.isfinite(fraction):
        fraction = max(fraction, before.fraction * (1 + CLOSEST))
    refusal = _why_no_look(before, fraction)
    if refusal is not None:
        return refusal
    spent = tail if last else spending.spent(fraction, tail=tail)
    bounds = [look.bound for look in taken]
    *_, look = each_look(
        [*(look.fraction for look in taken), fraction], lower=[-bound for bound in bounds], upper=bounds
    )
    return Look(fraction=fraction, bound=look.bound(spent - before.spent), spent=spent)


def _why_no_look(before: Look, fraction: float) -> Unavailable | None:
    if not math.isfinite(fraction):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail=f"the information fraction is {fraction}")
    if fraction <= 0:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="no unit is mature yet, so there is no look")
    if fraction <= before.fraction:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"no new units: {fraction:.4g} of the plan, and the look before had {before.fraction:.4g}",
        )
    return None


@cache  # a posterior asks for it at every look
def pocock_constant(looks: int, *, alpha: float) -> float:
    """The bound of abs(Z) that is the same at each of several equally spaced looks.

    Args:
        looks: Planned, at equal distances.
        alpha: Two-sided error level of the whole test.

    Raises:
        SpecError: There is no look, or the error level is impossible.

    References:
        Pocock (1977), Biometrika 64, 191-199; Jennison, Turnbull (2000), Group Sequential Methods, table 2.1.
    """
    return wang_tsiatis_bounds(evenly(looks), alpha=alpha, shape=0.5)[-1]


def obrien_fleming_constant(looks: int, *, alpha: float) -> float:
    """The last bound of O'Brien and Fleming's design; at look k of K the bound is this times sqrt(K/k).

    Args:
        looks: Planned, at equal distances.
        alpha: Two-sided error level of the whole test.

    Raises:
        SpecError: There is no look, or the error level is impossible.

    References:
        O'Brien, Fleming (1979), Biometrics 35, 549-556; Jennison, Turnbull (2000), Group Sequential Methods, table 2.3.
    """
    return wang_tsiatis_bounds(evenly(looks), alpha=alpha, shape=0.0)[-1]


def wang_tsiatis_bounds(fractions: Sequence[float], *, alpha: float, shape: float) -> tuple[float, ...]:
    """Bounds of abs(Z) that fall as fraction**(shape - 1/2).

    b_k = C (t_k / t_K)^(shape - 1/2), with the C that ends a run upwards with a chance of alpha / 2 in all.

    Args:
        fractions: Information at each look, increasing.
        alpha: Two-sided error level of the whole test.
        shape: 0 for O'Brien-Fleming, 0.5 for Pocock, or between.

    Raises:
        SpecError: The error level or the shape is impossible, or the fractions do not increase.

    References:
        Wang, Tsiatis (1987), Biometrics 43, 193-199.
    """
    tail = _tail(alpha)
    if not 0 <= shape <= 0.5:
        raise SpecError(f"shape {shape:g} must lie between 0 (O'Brien-Fleming) and 0.5 (Pocock)")
    times = apart(fractions)

    def bounds(constant: float) -> tuple[float, ...]:
        return tuple(constant * (time / times[-1]) ** (shape - 0.5) for time in times)

    def excess(constant: float) -> float:
        return sum(crossing_probabilities(bounds(constant), times).upper) - tail

    # The last look alone, and Bonferroni's bound at every look, hold the constant between them; a little apart,
    # because a look that hardly ever ends the test leaves nothing between them but rounding.
    alone, every = normal_isf(tail), normal_isf(tail / len(times))
    return bounds(alone if len(times) == 1 else root(excess, alone * (1 - 1e-6), every * (1 + 1e-6)))


def evenly(looks: int) -> tuple[float, ...]:
    """Fractions of looks at equal distances, the last at 1.

    Raises:
        SpecError: There is no look.
    """
    if looks < 1:
        raise SpecError(f"{looks} looks; a design has 1 or more")
    return tuple(look / looks for look in range(1, looks + 1))


def inflation_factor(
    fractions: Sequence[float],
    *,
    alpha: float,
    power: float,
    spending: Spending = OBRIEN_FLEMING,
    bounds: Sequence[float] | None = None,
) -> float:
    """How many times the units of a fixed test the whole plan needs for the same power.

    drift² t_K / (z_(alpha/2) + z_(1-power))², drift being the mean of Z at information 1 that has this power and z_q
    the point that a normal exceeds with chance q.

    Args:
        fractions: Information at each look as a share of the plan.
        alpha: Two-sided error level.
        power: Chance to find the effect planned for.
        spending: How the level is spread over the looks.
        bounds: Of another design, such as Pocock's constant; then `spending` is not used.

    Raises:
        SpecError: The error level or power is impossible, or the fractions do not increase.

    References:
        Jennison, Turnbull (2000), Group Sequential Methods, chapter 7.
    """
    bounds = spending_bounds(fractions, alpha=alpha, spending=spending) if bounds is None else bounds
    drift = drift_for_power(bounds, fractions, power=power)
    fixed = normal_isf(_tail(alpha)) + normal_isf(1 - power)
    return drift * drift * fractions[-1] / (fixed * fixed)


def naive_error(looks: int, *, alpha: float) -> float:
    """How often an equal version is called different when each of several looks uses the one-look bound.

    P(abs(Z_k) > z_(alpha/2) for some k) without an effect.

    Args:
        looks: At equal distances.
        alpha: Two-sided error level of each.

    Raises:
        SpecError: There is no look, or the error level is impossible.

    References:
        Armitage, McPherson, Rowe (1969), JRSS A 132, 235-244.
    """
    at_each = crossing_probabilities([normal_isf(_tail(alpha))] * looks, evenly(looks))
    return sum(at_each.upper) + sum(at_each.lower)
