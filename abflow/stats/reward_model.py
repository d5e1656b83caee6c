"""The reward to expect of every action: means of other rows, for doubly robust estimates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError, SpecError

Floats = NDArray[np.float64]
FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedRewards:
    """Predictions for the rows of a log, each from the units of other folds.

    Attributes:
        logged: Of the action that was logged, shape (rows,).
        target: Of the policy in question: its probabilities times the predictions of the actions.
    """

    logged: Floats
    target: Floats


def cross_fitted_means(
    reward: ArrayLike,
    action: ArrayLike,
    target: ArrayLike,
    *,
    segment: ArrayLike | None = None,
    unit: ArrayLike | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> PredictedRewards:
    """Mean reward by action and segment, always from the units of the other folds.

    A prediction that has seen its own row would explain its noise and make the estimate look surer than it
    is. An action not met in a segment gets its mean over all segments; one not met at all the mean of all rows.

    Args:
        reward: Shape (rows,).
        action: Number of the logged action, 0 to actions - 1, shape (rows,).
        target: Probability of every action under the policy in question, shape (rows, actions).
        segment: Any label known before the action was chosen, shape (rows,); None for one segment.
        unit: Which unit the row belongs to, whose rows stay in one fold; None when each row is its own.
        folds: Parts of the log, at least 2.
        seed: Of the split into folds.

    Raises:
        DataError: The columns do not fit one another, or hold something that is no reward, action or probability.
        SpecError: Fewer than 2 folds.

    References:
        Chernozhukov et al. (2018), Econometrics Journal 21, C1-C68, definition 3.2 (cross-fitting).
    """
    rewards, numbers, chances = (np.asarray(column, dtype=np.float64) for column in (reward, action, target))
    _check(rewards, numbers, chances, folds)
    rows, actions = len(rewards), numbers.astype(np.int64)
    segments = np.zeros(rows, dtype=np.int64) if segment is None else np.unique(segment, return_inverse=True)[1]
    units = np.arange(rows) if unit is None else np.unique(unit, return_inverse=True)[1]
    if len(segments) != rows or len(units) != rows:
        raise DataError(f"{len(segments)} segments and {len(units)} units for {rows} rows; give one per row")
    fold = (np.random.default_rng(seed).permutation(units.max(initial=-1) + 1) % folds)[units]
    shape = (folds, int(segments.max(initial=0)) + 1, chances.shape[1])
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (fold, segments, actions), rewards)
    np.add.at(counts, (fold, segments, actions), 1.0)
    predicted = _means_with_fallback(sums.sum(axis=0) - sums, counts.sum(axis=0) - counts)
    return PredictedRewards(
        logged=predicted[fold, segments, actions], target=np.sum(chances * predicted[fold, segments], axis=1)
    )


def _check(rewards: Floats, actions: Floats, chances: Floats, folds: int) -> None:
    if folds < 2:
        raise SpecError(f"{folds} folds; a prediction from other rows needs 2 or more")
    if rewards.ndim != 1 or actions.shape != rewards.shape or chances.ndim != 2 or len(chances) != len(rewards):
        raise DataError(
            f"rewards {rewards.shape}, actions {actions.shape} and target probabilities {chances.shape} do not "
            "fit; give one reward and action per row, and one probability per row and action"
        )
    wrong = actions[~np.isin(actions, np.arange(chances.shape[1]))]
    if wrong.size:
        raise DataError(f"{wrong[0]:g} is not the number of an action, 0 to {chances.shape[1] - 1}")
    if not (np.all(chances >= 0) and np.allclose(chances.sum(axis=1), 1, atol=1e-6)):
        raise DataError(
            "the target probabilities of a row are below 0 or do not add up to 1; give one for every action"
        )
    if unknown := np.count_nonzero(~np.isfinite(rewards)):
        raise DataError(f"{unknown} of {rewards.size} rewards are missing or infinite; leave those rows out")


def _means_with_fallback(sums: Floats, counts: Floats) -> Floats:
    """Means of shape (folds, segments, actions); an empty cell takes the action's mean, then the overall one."""
    overall = sums.sum(axis=(1, 2), keepdims=True) / np.maximum(counts.sum(axis=(1, 2), keepdims=True), 1)
    by_action = _means(sums.sum(axis=1, keepdims=True), counts.sum(axis=1, keepdims=True), overall)
    return _means(sums, counts, by_action)


def _means(sums: Floats, counts: Floats, otherwise: Floats) -> Floats:
    return np.where(counts > 0, sums / np.maximum(counts, 1), otherwise)
