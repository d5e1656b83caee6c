"""Interval of a quantile of rows within units."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from abflow.errors import SpecError
from abflow.stats.moments import JointMoments, joint_moments_of
from abflow.stats.quantile_interval import QuantileLevels, quantile_levels
from abflow.stats.result import Unavailable, UnavailableReason


@given(st.integers(200, 5000), st.sampled_from([0.5, 0.9, 0.95]))
def test_one_row_per_unit_is_woodruffs_interval_of_independent_rows(n: int, q: float) -> None:
    below = np.zeros(n)
    below[: round(n * q)] = 1
    share = below.mean()
    got = levels(joint_moments_of(below, np.ones(n)), q)
    assert got.se == pytest.approx(math.sqrt(share * (1 - share) / (n - 1)), rel=1e-9)
    assert (got.lower, got.upper) == pytest.approx((q - 1.959964 * got.se, q + 1.959964 * got.se))


def test_rows_of_one_unit_that_go_together_count_once() -> None:
    # Ten rows per unit, all on the same side: as informative as one row per unit.
    below = np.repeat([0.0, 1.0], [100, 900])
    once = levels(joint_moments_of(below, np.ones(1000)), 0.9)
    tenfold = levels(joint_moments_of(10 * below, np.full(1000, 10.0)), 0.9)
    assert tenfold.se == pytest.approx(once.se)


def test_a_bound_on_one_side_is_nearer() -> None:
    below = np.repeat([0.0, 1.0], [100, 900])
    both, one = (quantile_levels(joint_moments_of(below, np.ones(1000)), 0.9, sides=sides) for sides in (2, 1))
    assert isinstance(both, QuantileLevels)
    assert isinstance(one, QuantileLevels)
    assert one.upper - 0.9 == pytest.approx((both.upper - 0.9) * 1.644854 / 1.959964, rel=1e-6)


@pytest.mark.parametrize(
    ("below", "rows", "q", "reason"),
    [
        ([], [], 0.95, UnavailableReason.NO_UNITS),
        ([1.0] * 50, [1.0] * 50, 0.95, UnavailableReason.NO_VARIANCE),
        ([0.0] * 3 + [1.0] * 27, [1.0] * 30, 0.95, UnavailableReason.TOO_FEW_UNITS),
        ([0.0] * 30, [0.0] * 30, 0.5, UnavailableReason.ZERO_DENOMINATOR),
    ],
)
def test_a_quantile_without_an_interval_says_why(
    below: list[float], rows: list[float], q: float, reason: UnavailableReason
) -> None:
    got = quantile_levels(joint_moments_of(np.array(below), np.array(rows)), q)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_a_level_must_be_a_level() -> None:
    with pytest.raises(SpecError, match="q 95"):
        quantile_levels(joint_moments_of(np.arange(3.0), np.full(3, 5.0)), 95)


@pytest.mark.slow
def test_a_p95_over_users_is_covered_and_by_rows_it_is_not() -> None:
    runs, users, rows, q = 1_000, 400, 10, 0.95
    rng = np.random.default_rng(20_261_016)
    # Log latency = user + row, each of variance 1 and 0.25: rows of one user resemble each other.
    true_quantile = 1.6448536 * math.sqrt(1.25)
    by_unit = by_row = 0
    for _ in range(runs):
        latency = rng.normal(size=(users, 1)) + 0.5 * rng.normal(size=(users, rows))
        cut = np.quantile(latency, q)
        got = levels(joint_moments_of((latency <= cut).sum(axis=1), np.full(users, rows)), q)
        naive = 1.959964 * math.sqrt(q * (1 - q) / latency.size)
        by_unit += covers(latency, got.lower, got.upper, true_quantile)
        by_row += covers(latency, q - naive, q + naive, true_quantile)
    assert by_unit / runs == pytest.approx(0.95, abs=3.29 * math.sqrt(0.95 * 0.05 / runs))
    assert by_row / runs < 0.70


def covers(values: NDArray[np.float64], lower: float, upper: float, truth: float) -> bool:
    low, high = np.quantile(values, [lower, upper])
    return bool(low <= truth <= high)


def levels(rows: JointMoments, q: float) -> QuantileLevels:
    got = quantile_levels(rows, q)
    assert isinstance(got, QuantileLevels), got
    return got
