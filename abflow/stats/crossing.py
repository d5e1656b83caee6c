"""How likely a series of looks is to cross its bounds: type I error, power, and how soon a test ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from abflow.errors import SpecError
from abflow.stats.arrivals import each_look
from abflow.stats.root import root


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """At which look, and on which side, a test ends.

    Attributes:
        fractions: Information at each look as a share of the plan.
        upper: Chance that a run crosses here first, upwards, at each look.
        lower: The same, downwards.
    """

    fractions: tuple[float, ...]
    upper: tuple[float, ...]
    lower: tuple[float, ...]

    @property
    def stopped(self) -> tuple[float, ...]:
        """Chance that each look is the last one taken; the final look takes all runs that are left."""
        early = tuple(up + down for up, down in zip(self.upper[:-1], self.lower[:-1], strict=True))
        return (*early, 1 - sum(early))

    @property
    def expected_information(self) -> float:
        """Mean information at the end as a share of the plan: what the test uses on average."""
        return sum(chance * fraction for chance, fraction in zip(self.stopped, self.fractions, strict=True))


def crossing_probabilities(
    bounds: Sequence[float], fractions: Sequence[float], drift: float = 0.0, *, lower: Sequence[float] | None = None
) -> Crossings:
    """How often each bound is the first one crossed.

    S_k = Z_k sqrt(t_k) has independent steps, normal with mean drift (t_k - t_(k-1)) and variance t_k - t_(k-1).
    With drift 0 the chances add up to the type I error, with a real effect to the power.

    Args:
        bounds: Of Z at each look; a run ends above them.
        fractions: Information at each look as a share of the plan, increasing.
        drift: Mean of Z at information 1; at a look it is drift·sqrt(fraction).
        lower: A run also ends below these bounds of Z; those above with a minus sign when left out.

    Raises:
        SpecError: Bounds and looks do not fit one another, or the fractions do not increase.

    References:
        Armitage, McPherson, Rowe (1969), JRSS A 132, 235-244; for the joint law of the looks Jennison, Turnbull (2000),
        Group Sequential Methods, equation 3.1.
    """
    lower = tuple(-bound for bound in bounds) if lower is None else tuple(lower)
    if not len(bounds) == len(lower) == len(fractions):
        raise SpecError(f"{len(bounds)} bounds and {len(lower)} lower bounds for {len(fractions)} looks; give one each")
    if not (math.isfinite(drift) and all(down <= up for down, up in zip(lower, bounds, strict=True))):
        raise SpecError(f"drift {drift:g} must be finite, and lower bounds may not lie above the upper ones")
    looks = tuple(each_look(fractions, lower, bounds, drift=drift))
    return Crossings(
        fractions=tuple(fractions),
        upper=tuple(look.above(bound) for look, bound in zip(looks, bounds, strict=True)),
        lower=tuple(look.below(bound) for look, bound in zip(looks, lower, strict=True)),
    )


def drift_for_power(
    bounds: Sequence[float], fractions: Sequence[float], *, power: float, lower: Sequence[float] | None = None
) -> float:
    """The mean of Z at information 1 with which a test crosses upwards this often.

    Args:
        bounds: Of Z at each look.
        fractions: Information at each look as a share of the plan, increasing.
        power: Chance to cross, above the error level.
        lower: As in `crossing_probabilities`.

    Raises:
        SpecError: The power does not exceed the error level, or bounds and looks do not fit one another.

    References:
        Jennison, Turnbull (2000), Group Sequential Methods, equation 3.1, solved for the mean.
    """

    def shortfall(drift: float) -> float:
        return sum(crossing_probabilities(bounds, fractions, drift, lower=lower).upper) - power

    if not shortfall(0.0) < 0 < 1 - power:
        raise SpecError(f"power {power:g} must exceed the error level and stay below 1; 0.8 is usual")
    enough = 1.0
    while shortfall(enough) < 0:
        enough *= 2
    return root(shortfall, 0.0, enough)
