"""Integrals of smooth functions whose features differ widely in width: Gauss-Legendre on panels."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

# A bell resolved in panels of one standard deviation needs 12 nodes in each for 15 digits.
ORDER = 12
# Panel ends in widths of a feature: even where it has its mass, growing where only its tail is left.
GRADED = np.concatenate([np.arange(0.0, 11.0), 10 * 1.4 ** np.arange(1, 41)])


def panel_nodes(ends: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights whose weighted sum integrates over all panels.

    The integrand must be smooth inside each panel. Features of several widths are resolved by the union of
    their panels: give all their ends in one array.

    Args:
        ends: Shape (any,), in any order; repeated ends do no harm.
    """
    edges = np.unique(np.asarray(ends, dtype=np.float64))
    points, weights = _gauss_legendre()
    half = np.diff(edges)[:, None] / 2
    middle = (edges[:-1] + edges[1:])[:, None] / 2
    return (middle + half * points).ravel(), (half * weights).ravel()


@cache
def _gauss_legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points, weights = np.polynomial.legendre.leggauss(ORDER)
    return points, weights
