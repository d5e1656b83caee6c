"""Predicted rewards: means of other folds by action and segment."""

from __future__ import annotations

import numpy as np
import pytest

from abflow.errors import DataError, SpecError
from abflow.stats.reward_model import cross_fitted_means


def test_predictions_are_the_means_of_the_other_units() -> None:
    # As many folds as units: every row is predicted by all rows of the other units.
    reward = np.array([1.0, 2, 3, 4, 5, 6])
    action = np.array([0, 1, 0, 1, 0, 1])
    got = cross_fitted_means(reward, action, np.full((6, 2), 0.5), folds=6)
    assert got.logged == pytest.approx([4, 5, 3, 4, 2, 3])
    other_action = [4, 3, 4, 3, 4, 3]
    assert got.target == pytest.approx((got.logged + other_action) / 2)


def test_segments_have_means_of_their_own_and_empty_ones_borrow() -> None:
    reward = np.array([1.0, 1, 5, 5, 9])
    action = np.array([0, 0, 0, 0, 1])
    segment = ["new", "new", "old", "old", "old"]
    target = np.tile([0.0, 1.0], (5, 1))
    got = cross_fitted_means(reward, action, target, segment=segment, folds=5)
    assert got.logged[:4] == pytest.approx([1, 1, 5, 5])
    # The only row of action 1 is predicted without itself: by all other rows. Action 1 is unseen among new
    # users and takes its mean over everybody.
    assert got.logged[4] == pytest.approx(3)
    assert got.target[0] == pytest.approx(9)


def test_no_row_is_predicted_by_its_own_unit() -> None:
    rng = np.random.default_rng(1)
    unit = np.repeat(np.arange(50), 4)
    reward, action, target = rng.normal(size=200), rng.integers(3, size=200), np.full((200, 3), 1 / 3)
    before = cross_fitted_means(reward, action, target, unit=unit, seed=2)
    changed = np.where(unit == 7, reward + 100, reward)
    after = cross_fitted_means(changed, action, target, unit=unit, seed=2)
    assert after.logged[unit == 7] == pytest.approx(before.logged[unit == 7])
    assert after.target[unit == 7] == pytest.approx(before.target[unit == 7])
    assert not np.allclose(after.logged, before.logged)


def test_rewards_of_no_rows_are_no_predictions() -> None:
    assert cross_fitted_means([], [], np.empty((0, 2))).logged.size == 0


def test_what_does_not_fit_is_refused() -> None:
    half = np.full((4, 2), 0.5)
    with pytest.raises(DataError, match="do not fit"):
        cross_fitted_means([1.0, 2, 3], [0, 1, 0, 1], half)
    with pytest.raises(DataError, match="2 is not the number of an action, 0 to 1"):
        cross_fitted_means([1.0, 2, 3, 4], [0, 1, 2, 1], half)
    with pytest.raises(DataError, match=r"0\.5 is not the number"):
        cross_fitted_means([1.0, 2, 3, 4], [0, 0.5, 0, 1], half)
    with pytest.raises(DataError, match="add up to 1"):
        cross_fitted_means([1.0, 2, 3, 4], [0, 1, 0, 1], half / 2)
    with pytest.raises(DataError, match="one per row"):
        cross_fitted_means([1.0, 2, 3, 4], [0, 1, 0, 1], half, segment=["a"])
    with pytest.raises(SpecError, match="1 folds"):
        cross_fitted_means([1.0, 2, 3, 4], [0, 1, 0, 1], half, folds=1)


@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_rewards_that_are_missing_are_refused(reward: float) -> None:
    with pytest.raises(DataError, match="1 of 2 rewards are missing or infinite"):
        cross_fitted_means([reward, 1.0], [0, 1], [[0.5, 0.5]] * 2)


def test_probabilities_below_zero_are_refused() -> None:
    with pytest.raises(DataError, match="below 0"):
        cross_fitted_means([1.0, 1.0], [0, 1], [[1.5, -0.5]] * 2)
