"""Sufficient statistics of one metric in one arm, which add over disjoint sets of units."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError, NotEnoughData


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Count, mean and centred sum of squares of one metric in one arm.

    Two `Moments` may be added when they describe different units, such as shards or segments. Days of
    the same units must be summed per unit first.

    Attributes:
        n: Units. With n = 0 the mean is 0 and says nothing.
        mean: Mean per unit; of a proportion, the share of units with the event.
        m2: Sum of squared distances from the mean. Centred, because sum(x²) - sum(x)²/n loses every digit
            of the variance when the mean is large.
    """

    n: int
    mean: float
    m2: float

    def __post_init__(self) -> None:
        _make_plain(self)

    @property
    def variance(self) -> float:
        """Sample variance of the units, with n - 1.

        Raises:
            NotEnoughData: Fewer than two units.
        """
        if self.n < 2:
            raise NotEnoughData(f"a variance needs at least 2 units, got n={self.n}; wait for more units")
        return self.m2 / (self.n - 1)

    @property
    def is_constant(self) -> bool:
        """Whether the units do not differ by more than rounding does."""
        # A mean of a million equal doubles can be off by 1e-12 of its size; a spread below that is no spread.
        rounding = 1e-12 * abs(self.mean)
        # Below the smallest normal double the variance of the mean would have only some of its digits.
        smallest = float(self.n) * self.n * sys.float_info.min
        return self.m2 <= max(self.n * rounding * rounding, smallest)

    def __add__(self, other: Moments) -> Moments:
        """Moments of both sets of units together.

        m2 = m2_a + m2_b + (m_b - m_a)² n_a n_b / n

        References:
            Chan, Golub, LeVeque (1983), The American Statistician 37, 242-247, equations 1.5a and 1.5b.
        """
        if self.n == 0:
            return other
        if other.n == 0:
            return self
        n = self.n + other.n
        shift = other.mean - self.mean
        return Moments(
            n=n,
            mean=self.mean + shift * (other.n / n),
            m2=self.m2 + other.m2 + shift * shift * (self.n * other.n / n),
        )

    def scaled(self, by: float) -> Moments:
        """Moments of the same units after every value is multiplied by `by`."""
        return Moments(n=self.n, mean=self.mean * by, m2=self.m2 * by * by)

    def without(self, value: float) -> Moments:
        """Moments after the unit with this value is left out.

        Raises:
            NotEnoughData: There is no unit to leave out.
        """
        if self.n == 0:
            raise NotEnoughData(f"cannot leave out the value {value:g}: there are no units")
        if self.n == 1:
            return EMPTY
        mean = self.mean - (value - self.mean) / (self.n - 1)
        m2 = self.m2 - (value - self.mean) * (value - mean)
        # Equal units that are left have no spread but the rounding of what was taken away.
        return Moments(n=self.n - 1, mean=mean, m2=m2 if m2 > 1e-12 * self.m2 else 0.0)


def _make_plain(moments: Moments | JointMoments) -> None:
    """Python's own numbers in the place of numpy's, which overflow: 32 bits do not hold a product of two counts."""
    for name in moments.__slots__:
        if isinstance(value := getattr(moments, name), np.generic):
            object.__setattr__(moments, name, value.item())


EMPTY = Moments(n=0, mean=0.0, m2=0.0)


def moments_of(values: ArrayLike) -> Moments:
    """Moments of one value per unit.

    Args:
        values: Shape (units,). Infinities and NaN stay visible in the result, as a mean or m2 that is not
            finite; every comparison then answers `not_finite`.

    Raises:
        DataError: The values are not one per unit.

    References:
        Chan, Golub, LeVeque (1983), The American Statistician 37, 242-247: the two-pass algorithm.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return EMPTY
    if array.ndim != 1:
        raise DataError(f"values of shape {array.shape} are not one number per unit; give shape (units,)")
    with np.errstate(invalid="ignore", over="ignore"):
        mean = array.mean()
        centred = array - mean
        m2 = np.dot(centred, centred)
    return Moments(n=array.size, mean=float(mean), m2=float(m2))


@dataclass(frozen=True, slots=True, kw_only=True)
class JointMoments:
    """Moments of two numbers per unit: the numerator x and the denominator y of a ratio.

    Attributes:
        n: Units.
        mean_x: Mean numerator per unit.
        mean_y: Mean denominator per unit.
        m2_x: Centred sum of squares of the numerator.
        m2_y: Centred sum of squares of the denominator.
        cross: Sum of (x - mean_x)(y - mean_y).
    """

    n: int
    mean_x: float
    mean_y: float
    m2_x: float
    m2_y: float
    cross: float

    def __post_init__(self) -> None:
        _make_plain(self)

    @property
    def x(self) -> Moments:
        """The numerator alone."""
        return Moments(n=self.n, mean=self.mean_x, m2=self.m2_x)

    @property
    def y(self) -> Moments:
        """The denominator alone."""
        return Moments(n=self.n, mean=self.mean_y, m2=self.m2_y)

    @property
    def is_finite(self) -> bool:
        """Whether no infinity or NaN got into any of the sums."""
        return all(map(math.isfinite, (self.mean_x, self.mean_y, self.m2_x, self.m2_y, self.cross)))

    def __add__(self, other: JointMoments) -> JointMoments:
        """Moments of both sets of units together."""
        if self.n == 0:
            return other
        if other.n == 0:
            return self
        x, y = self.x + other.x, self.y + other.y
        shifts = (other.mean_x - self.mean_x) * (other.mean_y - self.mean_y)
        cross = self.cross + other.cross + shifts * (self.n * other.n / x.n)
        return JointMoments(n=x.n, mean_x=x.mean, mean_y=y.mean, m2_x=x.m2, m2_y=y.m2, cross=cross)

    def linearised(self) -> Moments:
        """The ratio sum(x) / sum(y) as the mean of one number per unit, R + (x - R y) / mean_y.

        The variance of that mean, (s_x² - 2 R s_xy + R² s_y²) / (n mean_y²), is the delta-method variance of the
        ratio, with the unit as cluster, so that every comparison of means also compares ratios.

        Raises:
            NotEnoughData: The denominators add up to 0.

        References:
            Deng, Knoblich, Lu (2018), KDD, 233-242, on metrics whose unit of analysis is finer than the user.
        """
        if self.n == 0 or self.mean_y == 0:
            raise NotEnoughData(f"the denominators of {self.n} units add up to 0, so there is no ratio")
        ratio = self.mean_x / self.mean_y
        whole = self.m2_x + ratio * ratio * self.m2_y
        m2 = whole - 2 * ratio * self.cross
        # x = R y in every unit leaves nothing but the rounding of the terms that cancelled.
        m2 = m2 if m2 > 1e-12 * whole else 0.0
        return Moments(n=self.n, mean=ratio, m2=m2 / self.mean_y / self.mean_y)


NO_PAIRS = JointMoments(n=0, mean_x=0.0, mean_y=0.0, m2_x=0.0, m2_y=0.0, cross=0.0)


def joint_moments_of(x: ArrayLike, y: ArrayLike) -> JointMoments:
    """Moments of a numerator and a denominator per unit, each of shape (units,).

    Args:
        x: Numerators.
        y: Denominators.

    Raises:
        DataError: The two are not a pair per unit.
    """
    numerator, denominator = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if numerator.shape != denominator.shape:
        raise DataError(f"{numerator.size} numerators and {denominator.size} denominators; give one pair per unit")
    if numerator.size == 0:
        return NO_PAIRS
    of_x, of_y = moments_of(numerator), moments_of(denominator)
    with np.errstate(invalid="ignore", over="ignore"):
        cross = float(np.dot(numerator - of_x.mean, denominator - of_y.mean))
    return JointMoments(n=of_x.n, mean_x=of_x.mean, mean_y=of_y.mean, m2_x=of_x.m2, m2_y=of_y.m2, cross=cross)


def linearised(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """One number per unit whose mean is the ratio and whose spread is the ratio's; see `JointMoments.linearised`.

    Args:
        pairs: Numerator and denominator, shape (units, 2).

    Raises:
        NotEnoughData: The denominators add up to 0.

    References:
        Deng, Knoblich, Lu (2018), KDD, 233-242.
    """
    numerator, denominator = pairs.T
    whole = denominator.mean() if len(pairs) else 0.0
    if whole == 0:
        raise NotEnoughData(f"the denominators of {len(pairs)} units add up to 0, so there is no ratio")
    ratio = numerator.mean() / whole
    return np.asarray(ratio + (numerator - ratio * denominator) / whole)
