"""A histogram on a logarithmic scale, from which quantiles of merged data are read to half a percent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError, SpecError
from abflow.stats.result import Unavailable, UnavailableReason

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

# A bin's upper edge over its lower one: no quantile is off by more than half a percent of itself.
GROWTH = 1.005
# Above every -floor(ln(x) / ln(GROWTH)) of a positive double (149 260 for the smallest), so that bins of positive
# values are positive, and those of negative ones can mirror them.
OFFSET = 150_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHistogram:
    """Rows by the logarithm of their value; two of them add up to that of all rows.

    Its size depends on the range of the values and not on their number: latencies from 0.1 ms to 10 minutes
    need at most 3 130 bins. Each bin also keeps its smallest and largest value, which makes quantiles exact
    where values are heaped, as whole milliseconds are.

    Attributes:
        bins: Numbers of the bins that hold rows, as `bin_numbers` gives them, increasing.
        rows: In each bin, at least 1.
        lows: The smallest value in each bin.
        highs: The largest value in each bin.
        not_finite: Infinite or missing values, which have no bin.
    """

    bins: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()
    not_finite: int = 0

    def __post_init__(self) -> None:
        if not len(self.bins) == len(self.rows) == len(self.lows) == len(self.highs):
            raise DataError("a histogram needs rows, a smallest and a largest value for every bin")
        if np.any(np.diff(self.bins) <= 0):
            raise DataError("the bins of a histogram must increase, each one once; sort them by number")
        if self.not_finite < 0 or min(self.rows, default=1) < 1:
            raise DataError("a histogram counts rows, at least 1 in every bin it holds; leave empty bins out")

    def __add__(self, other: LogHistogram) -> LogHistogram:
        """The histogram of both sets of rows together."""
        if not self.bins:
            return replace(other, not_finite=self.not_finite + other.not_finite)
        bins, place = np.unique(self.bins + other.bins, return_inverse=True)
        rows = np.zeros(bins.size, dtype=np.int64)
        lows, highs = np.full(bins.size, np.inf), np.full(bins.size, -np.inf)
        np.add.at(rows, place, self.rows + other.rows)
        np.minimum.at(lows, place, self.lows + other.lows)
        np.maximum.at(highs, place, self.highs + other.highs)
        return _histogram(bins, rows, lows, highs, self.not_finite + other.not_finite)

    def quantile(self, q: float) -> float | Unavailable:
        """The value with a share q of the rows at or below it.

        Args:
            q: Level between 0 and 1.

        Raises:
            SpecError: The level is not between 0 and 1.
        """
        values = self.quantiles((q,))
        return values if isinstance(values, Unavailable) else values[0]

    def quantiles(self, levels: Sequence[float]) -> tuple[float, ...] | Unavailable:
        """Values at several levels, interpolated between rows as numpy's default and SQL's percentile_cont do.

        The rows of a bin are taken as evenly spread between its smallest and its largest value.

        Args:
            levels: Between 0 and 1, shape (levels,).

        Raises:
            SpecError: A level is not between 0 and 1.
        """
        for level in levels:
            if not 0 <= level <= 1:
                raise SpecError(f"level {level:g} is not between 0 and 1; write 0.95 for the 95th percentile")
        if self.not_finite:
            return Unavailable(
                reason=UnavailableReason.NOT_FINITE, detail=f"{self.not_finite} values are infinite or missing"
            )
        if not self.bins:
            return Unavailable(reason=UnavailableReason.NO_UNITS, detail="no values, so there is no quantile")
        return tuple(np.interp(levels, *self.curve()).tolist())

    def curve(self) -> tuple[Floats, Floats]:
        """Levels and their quantiles, between which the quantile function runs straight."""
        last = np.cumsum(self.rows) - 1
        levels, values = np.empty((2, 2 * last.size))
        levels[::2], levels[1::2] = last - self.rows + 1, last
        values[::2], values[1::2] = self.lows, self.highs
        return levels / max(last[-1], 1), values


def log_histogram_of(values: ArrayLike) -> LogHistogram:
    """The histogram of values, one per row; failed calls (latency below 0) are left out before.

    Args:
        values: Any shape, any unit.

    References:
        Masson, Rim, Lee (2019), PVLDB 12, 2195-2205: bins of equal ratio.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    finite = np.sort(array[np.isfinite(array)])
    bins, first, rows = np.unique(bin_numbers(finite), return_index=True, return_counts=True)
    return _histogram(bins, rows, finite[first], finite[first + rows - 1], array.size - finite.size)


def _histogram(bins: Integers, rows: Integers, lows: Floats, highs: Floats, not_finite: int) -> LogHistogram:
    return LogHistogram(
        bins=tuple(bins.tolist()),
        rows=tuple(rows.tolist()),
        lows=tuple(lows.tolist()),
        highs=tuple(highs.tolist()),
        not_finite=not_finite,
    )


def bin_numbers(values: Floats) -> Integers:
    """The bin of each finite value, a whole number that grows with the value.

    The same in SQL, where it is all a query must group by:
    `case when x = 0 then 0 else sign(x) * (150000 + floor(ln(abs(x)) / ln(1.005))) end`.
    """
    size = np.abs(values)
    logs = np.log(size, out=np.zeros_like(size), where=size > 0)
    numbers: Integers = (np.sign(values) * (OFFSET + np.floor(logs / math.log(GROWTH)))).astype(np.int64)
    return numbers
