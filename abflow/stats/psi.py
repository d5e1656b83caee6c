"""How far a distribution has moved: the population stability index."""

from __future__ import annotations

import math
from collections.abc import Sequence

from abflow.errors import DataError
from abflow.stats.result import Unavailable, UnavailableReason

# What an empty bin counts when the other side has rows there: the index has no value at 0, and half a row is
# the most that "none seen" can be told from "one seen".
EMPTY_BIN = 0.5


def population_stability_index(expected: Sequence[int], actual: Sequence[int]) -> float | Unavailable:
    """Sum over bins of (a - e) ln(a / e), a and e being the shares of rows in the bin.

    A bin empty on both sides adds nothing; a bin empty on one side counts half a row there. Two samples of
    one distribution give (bins - 1)·(1/rows_e + 1/rows_a) on average, not 0.

    Args:
        expected: Rows per bin of the reference, shape (bins,).
        actual: Rows per bin of what is compared with it, same shape.

    Raises:
        DataError: The bins do not match, or a count is negative or not finite.

    References:
        Kullback, Leibler (1951), Annals of Mathematical Statistics 22, 79-86 (their divergence J).
    """
    if len(expected) != len(actual) or len(expected) < 2:
        raise DataError(f"{len(expected)} expected and {len(actual)} actual bins; give the same two bins or more")
    for rows in (*expected, *actual):
        if not 0 <= rows < math.inf:
            raise DataError(f"a bin holds {rows} rows; counts are 0 or more")
    for name, counts in (("expected", expected), ("actual", actual)):
        if sum(counts) == 0:
            return Unavailable(reason=UnavailableReason.NO_UNITS, detail=f"the {name} side has no rows")
    rows_e, rows_a = sum(expected), sum(actual)
    index = 0.0
    for in_e, in_a in zip(expected, actual, strict=True):
        if in_e or in_a:
            e, a = (in_e or EMPTY_BIN) / rows_e, (in_a or EMPTY_BIN) / rows_a
            index += (a - e) * math.log(a / e)
    return index
