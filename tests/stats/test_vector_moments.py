"""Moments of several numbers per unit: merging, weighted sums, storing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pydantic import TypeAdapter

from abflow.errors import DataError
from abflow.stats.moments import joint_moments_of, moments_of
from abflow.stats.vector_moments import VectorMoments, vector_moments_of

Units = NDArray[np.float64]
units = st.integers(2, 30).flatmap(lambda n: arrays(np.float64, (n, 3), elements=st.floats(-1e3, 1e3)))
weights = st.tuples(*[st.floats(-10, 10)] * 3)


@settings(deadline=None)
@given(units)
def test_the_products_are_those_of_numpys_covariance(values: Units) -> None:
    got = vector_moments_of(values)
    assert got.mean == pytest.approx(values.mean(axis=0))
    want = np.cov(values, rowvar=False) * (len(values) - 1)
    assert np.array(got.cross) == pytest.approx(want, rel=1e-9, abs=1e-6)


@settings(deadline=None)
@given(units, units)
def test_merging_moments_equals_moments_of_the_whole(left: Units, right: Units) -> None:
    merged = vector_moments_of(left) + vector_moments_of(right)
    whole = vector_moments_of(np.concatenate((left, right)))
    assert merged.n == whole.n
    assert merged.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-9)
    assert np.array(merged.cross) == pytest.approx(np.array(whole.cross), rel=1e-9, abs=1e-5)


@settings(deadline=None)
@given(units, weights)
def test_a_weighted_sum_has_the_moments_of_its_values(values: Units, by: tuple[float, float, float]) -> None:
    got, want = vector_moments_of(values).linear(by), moments_of(values @ np.array(by))
    assert got.n == want.n
    assert got.mean == pytest.approx(want.mean, rel=1e-9, abs=1e-8)
    assert got.m2 == pytest.approx(want.m2, rel=1e-6, abs=1e-3)


@settings(deadline=None)
@given(units, weights, weights)
def test_two_weighted_sums_keep_their_joint_moments(
    values: Units, a: tuple[float, float, float], b: tuple[float, float, float]
) -> None:
    got = vector_moments_of(values).mapped([a, b])
    want = vector_moments_of(values @ np.array([a, b]).T)
    assert np.array(got.cross) == pytest.approx(np.array(want.cross), rel=1e-6, abs=1e-3)


def test_a_ratio_linearised_by_weights_is_the_ratio_linearised() -> None:
    x, y = np.array([3.0, 0.0, 5.0, 2.0]), np.array([4.0, 1.0, 9.0, 2.0])
    want = joint_moments_of(x, y).linearised()
    got = vector_moments_of(np.column_stack((x, y))).linear((1 / y.mean(), -want.mean / y.mean()))
    assert got.m2 == pytest.approx(want.m2)


def test_a_sum_that_is_the_same_in_every_unit_has_no_spread() -> None:
    x, z = np.random.default_rng(3).normal(size=(2, 50)) * 1e6
    values = vector_moments_of(np.column_stack((x, z, 0.3 * x + 0.7 * z)))
    rest = values.mapped([(0.3, 0.7, -1)]).cross[0][0]
    assert rest != 0, "nothing was rounded, so the test shows nothing"
    assert values.linear((0.3, 0.7, -1)).m2 == 0


def test_a_large_mean_costs_no_digits_of_the_spread() -> None:
    values = np.array([[1e9 + 1, 5.0], [1e9 + 2, 7.0], [1e9 + 3, 9.0]])
    assert vector_moments_of(values).cross == ((2.0, 4.0), (4.0, 8.0))


def test_moments_are_values_that_can_be_stored() -> None:
    value = vector_moments_of([[1.0, 2.0], [3.0, 5.0]])
    adapter = TypeAdapter(VectorMoments)
    again = adapter.validate_json(adapter.dump_json(value))
    assert (again, hash(again)) == (value, hash(value))


def test_nothing_added_changes_nothing() -> None:
    value = vector_moments_of([[1.0, 2.0], [3.0, 5.0]])
    nothing = vector_moments_of(np.empty((0, 2)))
    assert nothing + value == value == value + nothing
    assert nothing.linear((1, 1)) == moments_of([])


def test_an_infinite_number_stays_visible_where_it_is_used_only() -> None:
    value = vector_moments_of([[1.0, math.inf], [2.0, 3.0]])
    assert not value.is_finite
    assert not math.isfinite(value.linear((1, 1)).m2)
    assert value.linear((1, 0)) == moments_of([1.0, 2.0])


def test_shapes_that_do_not_fit_say_so() -> None:
    pair, triple = vector_moments_of(np.ones((4, 2))), vector_moments_of(np.ones((4, 3)))
    with pytest.raises(DataError, match="cannot be added"):
        pair + triple
    with pytest.raises(DataError, match="give one for each"):
        pair.linear((1, 2, 3))
    with pytest.raises(DataError, match="give shape"):
        vector_moments_of([1.0, 2.0])
    with pytest.raises(DataError, match="2 means need"):
        VectorMoments(n=2, mean=(1.0, 2.0), cross=((1.0,), (1.0,)))


def test_numpys_counts_do_not_overflow() -> None:
    half: Any = np.int32(100_000)
    one, other = ([VectorMoments(n=n, mean=(m,), cross=((1.0,),)) for n in (half, 100_000)] for m in (0.1, 0.3))
    assert one[0] + other[0] == one[1] + other[1]
