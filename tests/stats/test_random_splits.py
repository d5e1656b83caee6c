"""Units dealt to arms again and again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from abflow.errors import SpecError
from abflow.stats.random_splits import SplitSums, random_splits

DRAWS = 2_000
SHARES = (0.5, 0.2, 0.3)


def dealt(values: NDArray[np.float64], shares: tuple[float, ...] = SHARES, *, seed: int = 1) -> SplitSums:
    """Every unit a group of its own."""
    features = values.reshape(len(values), -1)
    return random_splits(features, np.ones(len(values), dtype=np.int64), shares, draws=DRAWS, seed=seed)


def grouped(values: NDArray[np.float64]) -> SplitSums:
    """Units of the same value a group."""
    groups, sizes = np.unique(values, return_counts=True)
    return random_splits(groups.reshape(-1, 1), sizes, SHARES, draws=DRAWS, seed=1)


@pytest.fixture(scope="module")
def counts() -> NDArray[np.float64]:
    """Many zeros and ones, dealt together, and a few of larger values, dealt one by one."""
    return np.random.default_rng(2).negative_binomial(1, 0.4, size=1_500).astype(np.float64)


@pytest.mark.parametrize("how", [dealt, grouped])
def test_every_unit_goes_to_one_arm(how: object, counts: NDArray[np.float64]) -> None:
    got = dealt(counts) if how is dealt else grouped(counts)
    assert (got.units.sum(axis=1) == counts.size).all()
    assert got.sums.sum(axis=1) == pytest.approx(counts.sum())
    # Sums of whole numbers are whole, though they were added up in single precision around a centre.
    assert got.sums == pytest.approx(np.rint(got.sums), abs=1e-3)


@pytest.mark.parametrize("how", [dealt, grouped])
def test_every_unit_goes_on_its_own_with_the_planned_chance(how: object, counts: NDArray[np.float64]) -> None:
    got = dealt(counts) if how is dealt else grouped(counts)
    for arm, share in enumerate(SHARES):
        for found, values in ((got.units[:, arm], np.ones(counts.size)), (got.sums[:, arm, 0], counts)):
            # A sum of independent units, each in with probability p: mean p Σx, variance p (1-p) Σx².
            variance = share * (1 - share) * np.sum(values**2)
            assert found.mean() == pytest.approx(share * values.sum(), abs=4 * math.sqrt(variance / DRAWS))
            assert found.var() == pytest.approx(variance, rel=4 * math.sqrt(2 / DRAWS))


def test_draws_do_not_resemble_one_another() -> None:
    values = np.random.default_rng(3).normal(size=700)
    one, after = dealt(values).sums[:-1, 0, 0], dealt(values).sums[1:, 0, 0]
    assert abs(np.corrcoef(one, after)[0, 1]) < 4 / math.sqrt(DRAWS)


def test_single_precision_loses_nothing_that_matters() -> None:
    # The second column says of each unit what the first one does, 10^9 higher and as a multiple.
    values = np.random.default_rng(4).lognormal(sigma=2, size=3_000)
    got = dealt(np.column_stack((values, 3 * values + 1e9)))
    error = got.sums[:, :, 1] - (3 * got.sums[:, :, 0] + 1e9 * got.units)
    chance = 3 * math.sqrt(0.25 * np.sum(values**2))
    assert np.abs(error).max() < 1e-5 * chance


def test_values_of_any_size_are_dealt() -> None:
    values = np.random.default_rng(5).normal(size=300)
    plain = dealt(values)
    for by in (1e-150, 1e150):
        assert dealt(by * values).sums / by == pytest.approx(plain.sums, abs=1e-4)


def test_the_same_seed_gives_the_same_splits() -> None:
    values = np.arange(500.0)
    assert np.array_equal(dealt(values).sums, dealt(values).sums)
    assert not np.array_equal(dealt(values).sums, dealt(values, seed=2).sums)


def test_shares_are_relative() -> None:
    values = np.arange(500.0)
    assert np.array_equal(dealt(values, (5, 2, 3)).sums, dealt(values).sums)


def test_a_tiny_last_arm_gets_hardly_any_units_and_not_all() -> None:
    got = dealt(np.arange(1_000.0), (1.0, 1e-6))
    assert got.units[:, 1].mean() < 0.1


@pytest.mark.parametrize("shares", [(1.0,), (), (0.5, 0.0), (0.5, -0.5), (0.5, math.nan)])
def test_impossible_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="two arms or more"):
        dealt(np.arange(10.0), shares)


def test_no_draws_are_refused() -> None:
    with pytest.raises(SpecError, match="0 draws"):
        random_splits(np.ones((3, 1)), np.ones(3, dtype=np.int64), (1, 1), draws=0, seed=1)
