"""Units dealt at random into buckets, so that resampling a million units costs what a few thousand do.

Buckets of units dealt at random are themselves independent and alike, so that resampling or permuting them
is a resampling or permutation of units in which some units stay together. The price is paid in noise: the
standard error of B buckets is known to about 1/sqrt(2B) of itself, 0.8 % for 8 192, whatever the number of
units; the same noise that any sample of B units has. Fewer units than buckets are buckets of one, at no price.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BUCKETS = 8_192


def sums_in_buckets(features: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Sums of an arm's features in at most 8 192 buckets, whose sizes differ by one unit at most.

    Args:
        features: Shape (units, features).
        rng: Deals the units.

    Returns:
        Shape (buckets, features).
    """
    units = len(features)
    if units <= BUCKETS:
        return features
    starts = np.arange(BUCKETS) * units // BUCKETS
    return _sums_between(features[rng.permutation(units)], starts)


def sums_in_equal_buckets(
    features: NDArray[np.float64], size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of an arm's features in buckets of exactly `size` units, and in the units left over.

    Args:
        features: Shape (units, features).
        size: Units per bucket, at most those of the arm.
        rng: Deals the units.

    Returns:
        Shapes (buckets, features) and (features,).
    """
    if size == 1:
        return features, np.zeros(features.shape[1])
    units = len(features)
    full = units // size
    sums = _sums_between(features[rng.permutation(units)], np.arange(0, units, size))
    return sums[:full], sums[full:].sum(axis=0)


def _sums_between(features: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.add.reduceat(features, starts, axis=0)
