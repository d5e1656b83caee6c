"""Spending functions: how much of the error level may be used up by the time part of the data are in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from abflow.errors import SpecError
from abflow.stats.tails import normal_isf, normal_sf


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """A rule that spends one side's error level as information comes in.

    Attributes:
        name: As it is written in messages and reports.
        function: Spent so far, given the share of information (0 to 1) and the side's error level.
    """

    name: str
    function: Callable[[float, float], float]

    def spent(self, fraction: float, *, tail: float) -> float:
        """Error level used up on one side once this share of the information is in.

        Args:
            fraction: Information as a share of the plan; from 1 on everything is spent.
            tail: The side's whole error level.

        Raises:
            SpecError: The error level is not between 0 and 0.5.
        """
        if not 0 < tail < 0.5:
            raise SpecError(f"one side's error level {tail:g} must lie between 0 and 0.5; 0.025 is usual")
        if fraction <= 0:
            return 0.0
        # Exactly everything at 1, and never more by rounding just before.
        return tail if fraction >= 1 else min(self.function(fraction, tail), tail)


def _obrien_fleming_type(fraction: float, tail: float) -> float:
    """2 (1 - Φ(z / sqrt(t))), with the z that is exceeded with a chance of tail / 2."""
    return 2 * normal_sf(normal_isf(tail / 2) / math.sqrt(fraction))


def _obrien_fleming_type_whole(fraction: float, tail: float) -> float:
    """1 - Φ(z / sqrt(t)), with the z that is exceeded with the chance tail."""
    return normal_sf(normal_isf(tail) / math.sqrt(fraction))


def _pocock_type(fraction: float, tail: float) -> float:
    """Tail times ln(1 + (e - 1) t)."""
    return tail * math.log1p(math.expm1(1) * fraction)


# Lan, DeMets (1983), Biometrika 70, 659-663, example functions 1 and 2. Of each side's half by itself.
OBRIEN_FLEMING = Spending(name="O'Brien-Fleming type", function=_obrien_fleming_type)
POCOCK = Spending(name="Pocock type", function=_pocock_type)
# The same function of the two-sided level, 2·(1 - Φ(z_{α/2}/sqrt(t))), half of it on each side. Some tables
# use it; it spends more early. The other functions are proportional to the level, so both readings agree.
OBRIEN_FLEMING_WHOLE = Spending(name="O'Brien-Fleming type, both sides at once", function=_obrien_fleming_type_whole)


def power_family(rho: float) -> Spending:
    """Spend in proportion to fraction**rho: 1 is close to Pocock, 3 close to O'Brien-Fleming.

    f(t) = tail t^rho

    Args:
        rho: The exponent.

    Raises:
        SpecError: The exponent is not above 0 and finite.

    References:
        Kim, DeMets (1987), Biometrika 74, 149-154; for any rho Jennison, Turnbull (2000), Group Sequential Methods,
        page 148.
    """
    if not (math.isfinite(rho) and rho > 0):
        raise SpecError(f"rho {rho:g} must be a number above 0; 1 spends evenly, 3 spends late")
    return Spending(name=f"power family, rho {rho:g}", function=lambda fraction, tail: tail * fraction**rho)
