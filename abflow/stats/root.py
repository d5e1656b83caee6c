"""Where a function of one number passes through 0."""

from __future__ import annotations

from collections.abc import Callable

# Far below what a bound, a drift or the end of an interval is ever read to.
TOLERANCE = 1e-11
# The method below needs about ten; the rest is for functions with a corner.
MAX_STEPS = 200


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """The point between `low` and `high`, ends of opposite sign, at which a continuous function is 0.

    Straight lines through the ends of the bracket; an end that stays twice counts half, so that both ends move.

    Raises:
        ValueError: The function has one sign at both ends, which is a bug of the caller.

    References:
        Dowell, Jarratt (1971), BIT 11, 168-174: the Illinois algorithm.
    """
    at_low, at_high = function(low), function(high)
    if at_low * at_high > 0:
        raise ValueError(f"{at_low:g} at {low:g} and {at_high:g} at {high:g}: no change of sign, so no 0 between")
    for _ in range(MAX_STEPS):
        if at_high == 0:
            break
        point = high - at_high * (high - low) / (at_high - at_low)
        at_point = function(point)
        if at_point * at_high < 0:
            low, at_low = high, at_high
        else:
            at_low /= 2
        step, high, at_high = abs(point - high), point, at_point
        if step <= TOLERANCE * max(abs(high), 1.0):
            break
    return high
