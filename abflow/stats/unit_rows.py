"""Rows of many units, from which any choice of the units is measured as a quantile reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError
from abflow.stats.log_histogram import LogHistogram, bin_numbers
from abflow.stats.moments import NO_PAIRS, JointMoments
from abflow.stats.quantile_rows import QuantileRows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitRows:
    """The rows of some units, sorted once, so that a choice of units is measured without sorting again.

    Attributes:
        per_unit: How many rows each unit has; some have none.
        unit: Of each row, its place in `per_unit`.
        values: Of each row, increasing.
        bins: Numbers of the bins of a `LogHistogram` that hold rows, increasing.
        starts: The first row of each bin.
    """

    per_unit: Floats
    unit: Integers
    values: Floats
    bins: Integers
    starts: Integers

    def mapped(self, to: Callable[[Floats], Floats]) -> UnitRows:
        """The same rows with other values."""
        return unit_rows_of(self.unit, to(self.values), units=self.per_unit.size)


def unit_rows_of(unit: ArrayLike, values: ArrayLike, *, units: int) -> UnitRows:
    """The rows of some units.

    Args:
        unit: Of each row, from 0 to `units` less 1.
        values: Of each row.
        units: How many units there are, those without rows among them.

    Raises:
        DataError: A row has no unit or no finite value.
    """
    owner, amounts = np.asarray(unit, dtype=np.int64), np.asarray(values, dtype=np.float64)
    if owner.shape != amounts.shape or not np.isfinite(amounts).all():
        raise DataError(f"{owner.size} units and {amounts.size} values; give both, and a finite value, for each row")
    if owner.size and not 0 <= owner.min() <= owner.max() < units:
        raise DataError(f"rows of units {owner.min()} to {owner.max()}, where there are {units}; number them from 0")
    order = np.lexsort((owner, amounts))
    owner, amounts = owner[order], amounts[order]
    bins, starts = np.unique(bin_numbers(amounts), return_index=True)
    per_unit = np.bincount(owner, minlength=units).astype(np.float64)
    return UnitRows(per_unit=per_unit, unit=owner, values=amounts, bins=bins, starts=starts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChosenRows:
    """The rows of chosen units.

    Attributes:
        times: How often each unit was chosen, whole numbers from 0.
    """

    rows: UnitRows
    times: Floats

    def histogram(self) -> LogHistogram:
        """All their rows by the logarithm of the value."""
        rows, there = self.rows, self.times[self.rows.unit]
        counts = np.add.reduceat(there, rows.starts) if there.size else np.zeros(0)
        held, chosen = np.flatnonzero(counts > 0), np.flatnonzero(there > 0)
        first = np.searchsorted(chosen, rows.starts[held])
        last = np.append(first[1:], chosen.size) - 1
        return LogHistogram(
            bins=tuple(rows.bins[held].tolist()),
            rows=tuple(counts[held].astype(np.int64).tolist()),
            lows=tuple(rows.values[chosen[first]].tolist()),
            highs=tuple(rows.values[chosen[last]].tolist()) if held.size else (),
        )

    def at_or_below(self, cut: float | None) -> tuple[JointMoments, int]:
        """Per unit its rows at or below a cut and all its rows; and on how many units either side of it rests.

        Units without rows are in none of it. Sums of whole numbers: nothing is rounded.
        """
        below, every = self._below(cut), self.rows.per_unit
        times = np.where(every > 0, self.times, 0.0)
        n, x, y = (int(total) for total in (times.sum(), times @ below, times @ every))
        if n == 0:
            return NO_PAIRS, 0
        xx, yy, xy = (
            int(total) for total in ((times * below) @ below, (times * every) @ every, (times * below) @ every)
        )
        sides = int(min(times[below > 0].sum(), times[below < every].sum()))
        moments = JointMoments(
            n=n,
            mean_x=x / n,
            mean_y=y / n,
            m2_x=(n * xx - x * x) / n,
            m2_y=(n * yy - y * y) / n,
            cross=(n * xy - x * y) / n,
        )
        return moments, sides

    def _below(self, cut: float | None) -> Floats:
        """Each unit's rows at or below the cut, counted on the side that has fewer of them."""
        rows = self.rows
        edge = 0 if cut is None else int(np.searchsorted(rows.values, cut, side="right"))
        units = rows.per_unit.size
        if edge <= rows.values.size // 2:
            return np.bincount(rows.unit[:edge], minlength=units).astype(np.float64)
        return rows.per_unit - np.bincount(rows.unit[edge:], minlength=units)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRows:
    """One arm around its quantile, as both passes over rows find it.

    Attributes:
        sides: Units with rows on either side of the arm's own quantile, whichever side has fewer.
    """

    rows: QuantileRows
    sides: int


def arm_rows_of(arms: Mapping[str, ChosenRows], q: float) -> dict[str, ArmRows]:
    """Both passes over the rows of chosen units: where to cut, then what each unit has at or below the cuts.

    Args:
        arms: The chosen units of every arm.
        q: Level of the quantile, such as 0.95.
    """
    histograms = {arm: chosen.histogram() for arm, chosen in arms.items()}
    pooled = _quantile(reduce(add, histograms.values()), q)
    found = {}
    for arm, chosen in arms.items():
        at_own, sides = chosen.at_or_below(_quantile(histograms[arm], q))
        at_pooled, _ = chosen.at_or_below(pooled)
        rows = QuantileRows(histogram=histograms[arm], at_own=at_own, at_pooled=at_pooled)
        found[arm] = ArmRows(rows=rows, sides=sides)
    return found


def _quantile(histogram: LogHistogram, q: float) -> float | None:
    value = histogram.quantile(q)
    return value if isinstance(value, float) else None
