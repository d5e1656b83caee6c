"""Caps: values above a limit count as the limit, so that a few huge units do not decide."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import SpecError
from abflow.stats.result import Unavailable, UnavailableReason


def percentile_cap(values: ArrayLike, level: float, *, over: Literal["all", "positive"] = "all") -> float | Unavailable:
    """The cap that a share of all units stay at or below, by linear interpolation.

    The value at place 1 + (n - 1) level among n sorted units, between two of them in proportion.

    Args:
        values: Shape (units,): the total of every mature unit of all variants together. Arms capped each at
            its own percentile would no longer be compared on the same scale.
        level: Such as 0.999.
        over: Whether units with 0 or less take part in the percentile. They are capped either way.

    Returns:
        The cap; or `cap_removes_all` when it is not above 0, so that nothing would be left to compare.

    Raises:
        SpecError: The level is not between 0 and 1, or `over` is neither of the two.

    References:
        Hyndman, Fan (1996), The American Statistician 50, 361-365, definition 7.
    """
    if over not in ("all", "positive"):
        raise SpecError(f"over {over!r} is neither 'all' nor 'positive'; zeros are in the percentile or out")
    if not 0 < level < 1:
        raise SpecError(f"level {level:g} is not between 0 and 1; write 0.999 for a cap at p99.9")
    units = np.asarray(values, dtype=np.float64)
    if units.size == 0:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="there are no units to take a percentile of")
    if not np.isfinite(units).all():
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail="a unit's value is infinite or missing")
    if over == "positive":
        units = units[units > 0]
    cap = float(np.quantile(units, level)) if units.size else 0.0
    if cap <= 0:
        remedy = "give `over: positive` or a value" if over == "all" else "no unit is above 0"
        return Unavailable(
            reason=UnavailableReason.CAP_REMOVES_ALL,
            detail=f"the percentile {100 * level:g} of the units is {cap:g}; {remedy}",
        )
    return cap


def capped(values: ArrayLike, cap: float) -> NDArray[np.float64]:
    """The values, those above the cap replaced by it.

    Raises:
        SpecError: The cap is not a positive number, so that it would remove every positive value.
    """
    if not cap > 0:
        raise SpecError(f"cap {cap:g} would remove every positive value; give a positive number")
    return np.minimum(np.asarray(values, dtype=np.float64), cap)
