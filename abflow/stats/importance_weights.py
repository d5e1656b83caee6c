"""How much of a log speaks about another policy: its importance weights, judged."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.stats.contrast import variance_of_mean
from abflow.stats.moments import JointMoments, joint_moments_of
from abflow.stats.result import Unavailable, UnavailableReason

# With fewer effective rows the weights' own error is no longer known.
MIN_EFFECTIVE_ROWS = 100
# A row that carries more than this decides the answer alone, and is named.
MAX_WEIGHT_SHARE = 0.1
# Below this share of effective rows the policies have little in common.
LOW_EFFECTIVE_SHARE = 0.1
# Weights average 1 when the logged propensities are true; beyond 3 standard errors they are doubtful.
MAX_WEIGHT_DRIFT = 3.0

Floats = NDArray[np.float64]


def why_not_weights(weights: Floats) -> Unavailable | None:
    """Why weights of shape (rows,) do not allow an estimate, or None when they do."""
    if not np.isfinite(weights).all():
        return Unavailable(
            reason=UnavailableReason.NOT_FINITE, detail="a propensity is so small that its weight is infinite"
        )
    effective = effective_rows(weights)
    if effective >= MIN_EFFECTIVE_ROWS:
        # A row with a share s leaves at most 1/s² effective rows, so none has more than a tenth here.
        return None
    largest = weights.max(initial=0.0) / weights.sum() if effective > 0 else 0.0
    why = f"; one row has {largest:.0%} of the weight" if largest > MAX_WEIGHT_SHARE else ""
    return Unavailable(
        reason=UnavailableReason.METHOD_NOT_VALID_HERE,
        detail=f"{len(weights)} rows speak like {effective:.1f} about the other policy{why}; it needs "
        f"{MIN_EFFECTIVE_ROWS} effective rows",
    )


def effective_rows(weights: ArrayLike) -> float:
    """Rows of equal weight that would say as much: (Σ w)² / Σ w²; 0 when all weights are 0.

    Args:
        weights: Shape (rows,), none below 0.

    References:
        Kong (1992), technical report 348, University of Chicago.
    """
    w = np.asarray(weights, dtype=np.float64)
    largest = w.max(initial=0.0)
    # In shares of the largest weight, whose squares neither overflow nor vanish.
    return float(np.sum(w / largest) ** 2 / np.sum((w / largest) ** 2)) if largest > 0 else 0.0


def weight_cautions(weights: Floats, unit: NDArray[np.int64]) -> tuple[str, ...]:
    """What speaks against trusting the weights, in sentences.

    The mean weight of a row is Σ w / rows, with the delta-method variance of a ratio of sums over units.

    Args:
        weights: Shape (rows,).
        unit: Number of each row's unit, from 0, shape (rows,).
    """
    found = []
    share = effective_rows(weights) / len(weights)
    if share < LOW_EFFECTIVE_SHARE:
        found.append(f"Only {share:.1%} of the rows speak about this policy: the log's policy chose differently.")
    per_row = sums_by_unit(weights, np.ones_like(weights), unit).linearised()
    # Equal weights have no spread, only rounding.
    if abs(per_row.mean - 1) > max(MAX_WEIGHT_DRIFT * math.sqrt(variance_of_mean(per_row)), 1e-9):
        found.append(f"The weights average {per_row.mean:.3f} instead of 1: the logged propensities may be wrong.")
    return tuple(found)


def sums_by_unit(x: Floats, y: Floats, unit: NDArray[np.int64]) -> JointMoments:
    """Moments of two columns after the rows of each unit are added up.

    Args:
        x: Numerators, shape (rows,).
        y: Denominators, shape (rows,).
        unit: Number of each row's unit, from 0, shape (rows,).
    """
    return joint_moments_of(np.bincount(unit, weights=x), np.bincount(unit, weights=y))
