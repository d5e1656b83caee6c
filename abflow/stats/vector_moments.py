"""Moments of several numbers per unit, which add over disjoint sets of units."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from abflow.errors import DataError
from abflow.stats.moments import Moments


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorMoments:
    """Count, means and centred products of k numbers per unit, such as an outcome and what came before it.

    Tuples and not arrays: a handful of numbers, which are compared, hashed and written to JSON as they are.

    Attributes:
        n: Units. With n = 0 the means are 0 and say nothing.
        mean: Mean of each number, length k.
        cross: Sums over units of (a - mean_a)(b - mean_b), k rows of k; symmetric.
    """

    n: int
    mean: tuple[float, ...]
    cross: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if type(self.n) is not int:  # as for `Moments`
            object.__setattr__(self, "n", operator.index(self.n))
        k = len(self.mean)
        if len(self.cross) != k or any(len(row) != k for row in self.cross):
            raise DataError(f"{k} means need {k} rows of {k} products, got rows of {[len(row) for row in self.cross]}")

    @property
    def is_finite(self) -> bool:
        """Whether no infinity or NaN got into any of the sums."""
        return all(map(math.isfinite, self.mean)) and all(math.isfinite(c) for row in self.cross for c in row)

    def __add__(self, other: VectorMoments) -> VectorMoments:
        """Moments of both sets of units together.

        Raises:
            DataError: The two have other numbers per unit.

        References:
            Chan, Golub, LeVeque (1983), The American Statistician 37, 242-247, equations 1.5a and 1.5b, for
            each pair of numbers.
        """
        if len(self.mean) != len(other.mean):
            raise DataError(f"units of {len(self.mean)} and of {len(other.mean)} numbers cannot be added")
        if self.n == 0:
            return other
        if other.n == 0:
            return self
        n = self.n + other.n
        shift = [theirs - ours for ours, theirs in zip(self.mean, other.mean, strict=True)]
        weight = self.n * other.n / n
        return VectorMoments(
            n=n,
            mean=tuple(ours + d * (other.n / n) for ours, d in zip(self.mean, shift, strict=True)),
            cross=tuple(
                tuple(ours + theirs + a * b * weight for ours, theirs, b in zip(*rows, shift, strict=True))
                for a, *rows in zip(shift, self.cross, other.cross, strict=True)
            ),
        )

    def linear(self, weights: Sequence[float]) -> Moments:
        """Moments of the weighted sum of each unit's numbers."""
        of_sum = self.mapped([weights])
        m2 = of_sum.cross[0][0]
        # A sum that is the same in every unit leaves nothing but the rounding of the terms that cancelled.
        whole = sum(w * w * self.cross[i][i] for i, w in enumerate(weights))
        return Moments(n=self.n, mean=of_sum.mean[0], m2=0.0 if m2 <= 1e-12 * whole else m2)

    def mapped(self, rows: Sequence[Sequence[float]]) -> VectorMoments:
        """Moments of several weighted sums of each unit's numbers.

        Args:
            rows: One row of k weights for each sum.

        Raises:
            DataError: A row has another number of weights.
        """
        k = len(self.mean)
        if any(len(row) != k for row in rows):
            raise DataError(f"units have {k} numbers, got {[len(row) for row in rows]} weights; give one for each")
        products = [[_dot(row, column) for column in self.cross] for row in rows]
        return VectorMoments(
            n=self.n,
            mean=tuple(_dot(row, self.mean) for row in rows),
            cross=tuple(tuple(_dot(row, product) for row in rows) for product in products),
        )


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    # An infinity times a weight of 0 is no longer a number: what is not asked for stays out.
    return sum(a * b for a, b in zip(left, right, strict=True) if a != 0)


def vector_moments_of(values: ArrayLike) -> VectorMoments:
    """Moments of k numbers per unit.

    Args:
        values: Shape (units, k). Infinities and NaN stay visible in the result, as sums that are not finite.

    Raises:
        DataError: The values are not one row of numbers per unit.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise DataError(f"values of shape {array.shape} are not k numbers per unit; give shape (units, k)")
    n, k = array.shape
    if n == 0:
        return VectorMoments(n=0, mean=(0.0,) * k, cross=((0.0,) * k,) * k)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = array.mean(axis=0)
        centred = array - mean
        cross = centred.T @ centred
    return VectorMoments(n=n, mean=tuple(mean.tolist()), cross=tuple(map(tuple, cross.tolist())))
