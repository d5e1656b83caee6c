"""Moments of units: they add, scale and let one unit go."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from abflow.errors import DataError, NotEnoughData
from abflow.stats.moments import EMPTY, NO_PAIRS, JointMoments, Moments, joint_moments_of, linearised, moments_of

numbers = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)
samples = st.lists(numbers, max_size=40)
pairs = st.lists(st.tuples(numbers, numbers), max_size=30)


def test_moments_reproduce_nists_certified_values() -> None:
    # NIST StRD NumAcc3: mean 1000000.2, sd 0.1 (certified), n 1001; one-pass formulas lose it.
    values = [1000000.2] + [1000000.1, 1000000.3] * 500
    got = moments_of(values)
    assert got.mean == pytest.approx(1000000.2, rel=1e-12)
    assert math.sqrt(got.variance) == pytest.approx(0.1, rel=1e-8)


def test_merging_shards_keeps_the_variance_of_large_values() -> None:
    # NIST StRD NumAcc4: mean 10000000.2, sd 0.1.
    values = [10000000.2] + [10000000.1, 10000000.3] * 500
    merged = sum((moments_of(values[i::7]) for i in range(7)), EMPTY)
    assert math.sqrt(merged.variance) == pytest.approx(0.1, rel=1e-7)


@given(samples, samples)
def test_merging_moments_equals_moments_of_the_whole(left: list[float], right: list[float]) -> None:
    merged, whole = moments_of(left) + moments_of(right), moments_of(left + right)
    assert merged.n == whole.n
    assert merged.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
    assert merged.m2 == pytest.approx(whole.m2, rel=1e-9, abs=1e-3)


@given(samples)
def test_no_units_change_nothing_when_merged(values: list[float]) -> None:
    got = moments_of(values)
    assert got + EMPTY == got
    assert EMPTY + got == got


@given(samples, st.floats(min_value=-100, max_value=100))
def test_scaling_moments_equals_moments_of_scaled_values(values: list[float], by: float) -> None:
    scaled, direct = moments_of(values).scaled(by), moments_of([value * by for value in values])
    assert scaled.mean == pytest.approx(direct.mean, rel=1e-9, abs=1e-6)
    assert scaled.m2 == pytest.approx(direct.m2, rel=1e-9, abs=1e-3)


@given(st.lists(numbers, min_size=1, max_size=30))
def test_leaving_a_unit_out_equals_never_having_seen_it(values: list[float]) -> None:
    whole, rest = moments_of(values), moments_of(values[:-1])
    got = whole.without(values[-1])
    assert got.n == rest.n
    assert got.mean == pytest.approx(rest.mean, rel=1e-9, abs=1e-5)
    # What is left of a spread 10^12 times as large is taken for rounding: 0, 0.5 and then without 433 013.
    assert got.m2 == pytest.approx(rest.m2, rel=1e-6, abs=max(1e-1, 2e-12 * whole.m2))


def test_numpys_counts_do_not_overflow() -> None:
    # 100 000 times 100 000 is more than 32 bits hold.
    half: Any = np.int32(100_000)
    for of in (Moments(n=half, mean=0.1, m2=9e3), Moments(n=half, mean=0.3, m2=9e3)):
        assert type(of.n) is int
    merged = Moments(n=half, mean=0.1, m2=9e3) + Moments(n=half, mean=0.3, m2=9e3)
    assert merged == Moments(n=100_000, mean=0.1, m2=9e3) + Moments(n=100_000, mean=0.3, m2=9e3)
    assert type(JointMoments(n=half, mean_x=0, mean_y=1, m2_x=0, m2_y=0, cross=0).n) is int


@pytest.mark.parametrize("values", [3.0, [[1.0, 2.0], [3.0, 4.0]]])
def test_values_must_be_one_per_unit(values: ArrayLike) -> None:
    with pytest.raises(DataError, match="not one number per unit"):
        moments_of(values)


def test_leaving_out_never_makes_a_sum_of_squares_negative() -> None:
    assert moments_of([0.4, 0.4, 604.5]).without(604.5).m2 >= 0


def test_a_variance_needs_two_units() -> None:
    with pytest.raises(NotEnoughData, match="n=1"):
        _ = moments_of([3.0]).variance
    with pytest.raises(NotEnoughData, match="no units"):
        EMPTY.without(1.0)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3e8, 1e-9])
def test_equal_values_are_constant_despite_rounding(value: float) -> None:
    assert moments_of(np.full(100_003, value)).is_constant


def test_a_small_spread_on_a_large_mean_is_not_constant() -> None:
    assert not moments_of([1e8, 1e8 + 1]).is_constant


def test_infinite_values_stay_visible() -> None:
    got = moments_of([1.0, math.inf])
    assert not (math.isfinite(got.mean) and math.isfinite(got.m2))


@given(pairs, pairs)
def test_merging_joint_moments_equals_moments_of_all_pairs(
    left: list[tuple[float, float]], right: list[tuple[float, float]]
) -> None:
    def of(rows: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
        return [x for x, _ in rows], [y for _, y in rows]

    merged = joint_moments_of(*of(left)) + joint_moments_of(*of(right))
    whole = joint_moments_of(*of(left + right))
    assert merged.n == whole.n
    assert merged.cross == pytest.approx(whole.cross, rel=1e-9, abs=1e-2)
    assert merged.x.mean == pytest.approx(whole.x.mean, rel=1e-9, abs=1e-6)
    assert merged.y.m2 == pytest.approx(whole.y.m2, rel=1e-9, abs=1e-2)


def test_the_cross_moment_is_numpys_covariance() -> None:
    x, y = [1.0, 4.0, 2.0, 8.0], [2.0, 3.0, 5.0, 9.0]
    got = joint_moments_of(x, y)
    assert got.cross / 3 == pytest.approx(np.cov(x, y)[0, 1])


def test_joint_moments_without_pairs() -> None:
    assert joint_moments_of([], []) == NO_PAIRS
    with pytest.raises(NotEnoughData, match="add up to 0"):
        NO_PAIRS.linearised()
    with pytest.raises(DataError, match="one pair per unit"):
        joint_moments_of([1.0], [1.0, 2.0])


def test_a_ratio_to_a_denominator_of_one_is_the_mean() -> None:
    values = [0.0, 3.0, 1.0, 7.0, 2.0]
    got, want = joint_moments_of(values, np.ones(5)).linearised(), moments_of(values)
    assert (got.n, got.mean, got.m2) == pytest.approx((want.n, want.mean, want.m2))


def test_a_numerator_proportional_to_its_denominator_has_no_spread() -> None:
    y = np.arange(1.0, 50.0)
    got = joint_moments_of(0.3 * y, y).linearised()
    assert got.mean == pytest.approx(0.3)
    assert got.m2 == 0


def test_equal_units_that_are_left_have_no_spread() -> None:
    assert moments_of([0.0] * 9 + [9.0]).without(9.0).m2 == 0.0
    assert moments_of([0.1] * 9 + [604.5]).without(604.5).m2 == 0.0


def test_linearised_units_have_the_moments_of_the_linearised_ratio() -> None:
    pairs = np.array([[1.0, 2.0], [0.0, 3.0], [4.0, 5.0], [0.0, 0.0]])
    got, want = moments_of(linearised(pairs)), joint_moments_of(pairs[:, 0], pairs[:, 1]).linearised()
    assert (got.n, got.mean, got.m2) == pytest.approx((want.n, want.mean, want.m2))
    assert want.mean == pytest.approx(0.5)
    for nothing in (np.zeros((0, 2)), np.zeros((3, 2))):
        with pytest.raises(NotEnoughData, match="add up to 0"):
            linearised(nothing)


def test_numbers_of_numpy_count_as_pythons_own() -> None:
    n, mean, m2 = np.int32(100_000), np.float32(0.125), np.float32(10_937.5)
    short, long = Moments(n=n, mean=mean, m2=m2), Moments(n=100_000, mean=0.125, m2=10_937.5)  # type: ignore[arg-type]
    assert short + short == long + long
    pair = {"mean_x": mean, "mean_y": mean, "m2_x": m2, "m2_y": m2, "cross": m2}
    joint = JointMoments(n=n, **pair)  # type: ignore[arg-type]
    assert (joint + joint).n == 200_000
    assert (joint + joint).x == long + long
