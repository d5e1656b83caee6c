"""Importance weights: effective rows, refusals and cautions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.stats.importance_weights import effective_rows, sums_by_unit, weight_cautions, why_not_weights
from abflow.stats.result import UnavailableReason

weights = st.lists(st.floats(0.001, 1000), min_size=1, max_size=50)


def test_effective_rows_by_hand() -> None:
    assert effective_rows([1, 1, 1, 1]) == pytest.approx(4)
    assert effective_rows([1, 2, 3]) == pytest.approx(36 / 14)
    assert effective_rows([5, 0, 0]) == pytest.approx(1)
    assert effective_rows([0, 0]) == 0
    assert effective_rows([]) == 0


@given(weights, st.sampled_from([1e-200, 0.1, 1e200]))
def test_effective_rows_lie_between_one_and_all_and_have_no_unit(values: list[float], by: float) -> None:
    got = effective_rows(values)
    assert 1 - 1e-9 <= got <= len(values) + 1e-9
    assert effective_rows([by * v for v in values]) == pytest.approx(got)


def test_a_row_with_more_than_a_tenth_of_the_weight_is_named() -> None:
    refusal = why_not_weights(np.array([1.0] * 9991 + [1200.0]))
    assert refusal is not None
    assert refusal.reason is UnavailableReason.METHOD_NOT_VALID_HERE
    assert "one row has 11% of the weight" in refusal.detail


@given(st.integers(0, 2**32), st.floats(0.1, 5000))
def test_no_row_of_an_accepted_log_has_more_than_a_tenth_of_the_weight(seed: int, heavy: float) -> None:
    w = np.append(np.random.default_rng(seed).exponential(size=1000), heavy)
    if why_not_weights(w) is None:
        assert w.max() / w.sum() <= 0.1


def test_fewer_than_a_hundred_effective_rows_are_refused_with_their_number() -> None:
    assert why_not_weights(np.ones(100)) is None
    refusal = why_not_weights(np.ones(99))
    assert refusal is not None
    assert "99.0" in refusal.detail
    nothing = why_not_weights(np.zeros(500))
    assert nothing is not None
    assert "0.0" in nothing.detail


def test_an_infinite_weight_is_no_weight() -> None:
    refusal = why_not_weights(np.array([1.0] * 500 + [math.inf]))
    assert refusal is not None
    assert refusal.reason is UnavailableReason.NOT_FINITE


def test_few_effective_rows_of_many_are_worth_a_caution() -> None:
    w = np.zeros(4000)
    w[:399] = 4000 / 399
    assert any("Only 10.0% of the rows" in found for found in weight_cautions(w, np.arange(4000)))
    w[:400] = 10.0
    assert weight_cautions(w, np.arange(4000)) == ()


def test_weights_that_do_not_average_one_are_worth_a_caution() -> None:
    noise = np.tile([0.5, 1.5], 500)
    unit = np.arange(1000)
    assert weight_cautions(noise, unit) == ()
    # One standard error of the mean is 0.0158 times the factor: 1.04 is within 3 of them, 1.06 is not.
    assert weight_cautions(1.04 * noise, unit) == ()
    assert any("average 1.060 instead of 1" in found for found in weight_cautions(1.06 * noise, unit))
    assert any("average 2.000" in found for found in weight_cautions(np.full(1000, 2.0), unit))
    # Rows of one unit that go up and down together say less.
    assert weight_cautions(1.06 * np.repeat([0.5, 1.5], 500), np.arange(1000) // 50) == ()


def test_rows_add_up_by_unit() -> None:
    got = sums_by_unit(np.array([1.0, 2.0, 4.0]), np.ones(3), np.array([1, 0, 1]))
    assert got.n == 2
    assert (got.mean_x, got.mean_y) == pytest.approx((3.5, 1.5))
