"""Caps at a value and at a percentile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.caps import capped, percentile_cap
from abflow.stats.result import Unavailable, UnavailableReason

amounts = st.lists(st.floats(min_value=0.01, max_value=1e6), min_size=1, max_size=60)
levels = st.floats(min_value=0.01, max_value=0.999)


def test_a_percentile_lies_between_two_units_in_proportion() -> None:
    # Type 7 of Hyndman and Fan (1996): of 1 to 5, the 90th percentile is at 1 + 0.9 * 4.
    assert percentile_cap([1, 2, 3, 4, 5], 0.9) == pytest.approx(4.6)
    assert percentile_cap([0, 0, 0, 10, 20], 0.9) == pytest.approx(16)


def test_units_with_nothing_count_unless_the_plan_says_otherwise() -> None:
    values = [0] * 95 + [10, 20, 30, 40, 50]
    assert percentile_cap(values, 0.99) == pytest.approx(40.1)
    assert percentile_cap(values, 0.99, over="positive") == pytest.approx(49.6)


@given(amounts, levels)
def test_capping_changes_no_unit_at_or_below_the_cap_and_no_order(values: list[float], level: float) -> None:
    cap = cap_of(values, level)
    got = capped(values, cap)
    assert got.max() <= cap
    assert [low for low in got if low < cap] == [value for value in values if value < cap]
    assert np.array_equal(capped(got, cap), got)


@given(amounts, levels, st.sampled_from([0.01, 3.0, 1e4]))
def test_a_cap_is_paid_in_the_metrics_currency(values: list[float], level: float, by: float) -> None:
    assert cap_of([by * value for value in values], level) == pytest.approx(by * cap_of(values, level))


@given(amounts, levels)
def test_zeros_do_not_matter_when_only_positive_units_are_looked_at(values: list[float], level: float) -> None:
    among_all = percentile_cap([*values, 0, 0, 0], level, over="positive")
    assert among_all == percentile_cap(values, level)


@pytest.mark.parametrize(
    ("values", "over", "reason"),
    [
        ([0.0] * 99 + [5.0], "all", UnavailableReason.CAP_REMOVES_ALL),
        ([0.0] * 10, "positive", UnavailableReason.CAP_REMOVES_ALL),
        ([-3.0] * 10, "all", UnavailableReason.CAP_REMOVES_ALL),
        ([], "all", UnavailableReason.NO_UNITS),
        ([1.0, math.nan], "all", UnavailableReason.NOT_FINITE),
        ([1.0, math.inf], "positive", UnavailableReason.NOT_FINITE),
    ],
)
def test_where_there_is_no_cap_the_reason_is_said(values: list[float], over: str, reason: UnavailableReason) -> None:
    got = percentile_cap(values, 0.9, over="positive" if over == "positive" else "all")
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert got.detail


def test_impossible_levels_and_caps_are_refused() -> None:
    with pytest.raises(SpecError, match=r"write 0\.999"):
        percentile_cap([1.0, 2.0], 99.9)
    unknown: Any = "zeros"
    with pytest.raises(SpecError, match="neither 'all' nor 'positive'"):
        percentile_cap([1.0, 2.0], 0.999, over=unknown)
    with pytest.raises(SpecError, match="cap 0 would remove"):
        capped([1.0], 0)
    with pytest.raises(SpecError, match="cap nan"):
        capped([1.0], math.nan)


def cap_of(values: list[float], level: float) -> float:
    got = percentile_cap(values, level)
    assert not isinstance(got, Unavailable), got
    return got
