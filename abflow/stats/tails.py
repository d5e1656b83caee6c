"""Tails of the normal and t distributions, exact far from the centre; scipy is imported where it is needed."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

from abflow.errors import SpecError


def tail_of(confidence: float, *, sides: Literal[1, 2]) -> float:
    """Error probability that an interval of this confidence leaves in each of its tails.

    Raises:
        SpecError: The confidence is not between 0.5 and 1; below 0.5 somebody passed the error level instead.
    """
    if not 0.5 <= confidence < 1:
        raise SpecError(f"confidence {confidence:g} is not between 0.5 and 1; write 0.95 for an interval of 95 %")
    return (1 - confidence) / sides


def normal_sf(z: float) -> float:
    """Probability that a standard normal exceeds `z`."""
    # erfc keeps its digits where 1 - cdf has none left (z > 8).
    return math.erfc(z / math.sqrt(2)) / 2


def normal_isf(tail: float) -> float:
    """Point that a standard normal exceeds with probability `tail`."""
    return -NormalDist().inv_cdf(tail)


def t_sf(t: float, dof: float) -> float:
    """Probability that Student's t exceeds `t`."""
    from scipy import special

    return float(special.stdtr(dof, -t))


def t_isf(tail: float, dof: float) -> float:
    """Point that Student's t exceeds with probability `tail`."""
    from scipy import special

    return -float(special.stdtrit(dof, tail))


def chi_square_sf(statistic: float, dof: int) -> float:
    """Probability that a chi-square variable exceeds a statistic."""
    if dof == 1:  # the square of a normal; two arms, every day
        return math.erfc(math.sqrt(statistic / 2))
    if dof == 2:
        return math.exp(-statistic / 2)
    from scipy import special

    return float(special.chdtrc(dof, statistic))
