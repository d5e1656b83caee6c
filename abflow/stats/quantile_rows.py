"""What a comparison of quantiles needs of each arm, counted in two passes over the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError
from abflow.stats.log_histogram import LogHistogram, log_histogram_of
from abflow.stats.moments import JointMoments, joint_moments_of
from abflow.stats.result import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileRows:
    """The rows of one arm around a quantile.

    Units without rows are in none of it. The moments hold per unit x = rows at or below a cut point and
    y = all rows, so that the share of rows at or below the cut is a ratio with the unit as cluster.

    Attributes:
        histogram: All rows of the arm.
        at_own: Around the arm's own quantile; of one of several controls, around that of all of them.
        at_pooled: Around the quantile of the rows of all arms together.
    """

    histogram: LogHistogram
    at_own: JointMoments
    at_pooled: JointMoments

    def __add__(self, other: QuantileRows) -> QuantileRows:
        """The rows of two variants that are one arm, such as two controls: cut at the same values."""
        return QuantileRows(
            histogram=self.histogram + other.histogram,
            at_own=self.at_own + other.at_own,
            at_pooled=self.at_pooled + other.at_pooled,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPoints:
    """Where the second pass cuts.

    Attributes:
        pooled: The quantile of the rows of all arms together.
        own: That of each arm, in the order of the arms.
    """

    pooled: float
    own: tuple[float, ...]


def cut_points(histograms: Sequence[LogHistogram], q: float) -> CutPoints | Unavailable:
    """The quantiles at which the second pass counts rows.

    A cut point need not be the exact quantile: the shares are counted at the cut, wherever it is.
    """
    own = []
    for histogram in histograms:
        cut = histogram.quantile(q)
        if isinstance(cut, Unavailable):
            return cut
        own.append(cut)
    pooled = sum(histograms, LogHistogram()).quantile(q)
    return pooled if isinstance(pooled, Unavailable) else CutPoints(pooled=pooled, own=tuple(own))


def quantile_rows_of(arms: Sequence[tuple[ArrayLike, ArrayLike]], q: float) -> tuple[QuantileRows, ...] | Unavailable:
    """Both passes over rows held in memory.

    Args:
        arms: Per arm the unit and the value of each row, two arrays of one length.
        q: Level of the quantile, such as 0.95.

    Raises:
        DataError: There are not as many units as values.

    References:
        Those of `quantile_levels`.
    """
    histograms = [log_histogram_of(values) for _, values in arms]
    cuts = cut_points(histograms, q)
    if isinstance(cuts, Unavailable):
        return cuts
    result = []
    for (units, values), histogram, own in zip(arms, histograms, cuts.own, strict=True):
        _, unit = np.unique(np.asarray(units), return_inverse=True)
        array = np.asarray(values, dtype=np.float64)
        if unit.shape != array.shape:
            raise DataError(f"{unit.size} units and {array.size} values; give both for each row")
        at_own, at_pooled = (rows_at_or_below(unit, array, cut) for cut in (own, cuts.pooled))
        result.append(QuantileRows(histogram=histogram, at_own=at_own, at_pooled=at_pooled))
    return tuple(result)


def rows_at_or_below(unit: NDArray[np.int64], values: NDArray[np.float64], cut: float) -> JointMoments:
    """Moments of each unit's rows at or below the cut, and of all its rows.

    Args:
        unit: Of each row, numbered from 0 without gaps.
        values: Of each row.
        cut: The cut point.
    """
    rows = np.bincount(unit)
    return joint_moments_of(np.bincount(unit[values <= cut], minlength=rows.size), rows)
