"""Units dealt into buckets."""

from __future__ import annotations

import numpy as np
import pytest

from abflow.stats.buckets import BUCKETS, sums_in_buckets, sums_in_equal_buckets


def units(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A column that counts the units, and one that tells them apart."""
    return np.column_stack((np.ones(n), np.arange(n, dtype=np.float64)))


@pytest.mark.parametrize("n", [BUCKETS + 1, 2 * BUCKETS - 1, 100_000])
def test_buckets_hold_every_unit_once_and_equally_many(n: int) -> None:
    got = sums_in_buckets(units(n), np.random.default_rng(1))
    assert len(got) == BUCKETS
    assert got.sum(axis=0) == pytest.approx(units(n).sum(axis=0))
    assert np.ptp(got[:, 0]) <= 1


@pytest.mark.parametrize("n", [1, 10, BUCKETS])
def test_few_units_are_their_own_buckets(n: int) -> None:
    assert np.array_equal(sums_in_buckets(units(n), np.random.default_rng(1)), units(n))


@pytest.mark.parametrize(("n", "size"), [(10, 1), (10, 3), (100_000, 7), (12, 4)])
def test_equal_buckets_leave_over_what_does_not_fill_one(n: int, size: int) -> None:
    buckets, left = sums_in_equal_buckets(units(n), size, np.random.default_rng(1))
    assert len(buckets) == n // size
    assert set(buckets[:, 0]) == {size}
    assert left[0] == n % size
    assert buckets.sum(axis=0) + left == pytest.approx(units(n).sum(axis=0))


def test_neighbours_are_dealt_to_different_buckets() -> None:
    # A log sorted by time must not become buckets of one hour each, whose sums vary far more than chance.
    n = 20 * BUCKETS
    means = sums_in_buckets(units(n), np.random.default_rng(1))[:, 1] / 20
    by_chance = n / np.sqrt(12) / np.sqrt(20)
    assert np.std(means) == pytest.approx(by_chance, rel=0.05)
