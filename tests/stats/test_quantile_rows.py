"""The two passes over rows that a comparison of quantiles needs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import TypeAdapter

from abflow.errors import DataError
from abflow.stats.log_histogram import log_histogram_of
from abflow.stats.moments import joint_moments_of
from abflow.stats.quantile_rows import CutPoints, QuantileRows, cut_points, quantile_rows_of, rows_at_or_below
from abflow.stats.result import Unavailable, UnavailableReason


def test_the_pooled_cut_is_the_quantile_of_all_rows() -> None:
    rng = np.random.default_rng(2)
    arms = [rng.lognormal(size=500), 2 * rng.lognormal(size=900), rng.lognormal(size=100)]
    got = cut_points([log_histogram_of(arm) for arm in arms], 0.9)
    assert isinstance(got, CutPoints)
    assert got.pooled == pytest.approx(np.quantile(np.concatenate(arms), 0.9), rel=0.005)
    assert got.own == pytest.approx([np.quantile(arm, 0.9) for arm in arms], rel=0.005)


def test_rows_are_counted_within_their_units() -> None:
    control = (["a", "b", "a", "c"], [10.0, 20.0, 40.0, 30.0])
    treatment = ([7, 7, 9], [5.0, 50.0, 60.0])
    got = quantile_rows_of([control, treatment], 0.5)
    assert not isinstance(got, Unavailable)
    # The medians are 25 and 50, and 30 of all rows.
    assert got[0].at_own == joint_moments_of([1, 1, 0], [2, 1, 1])
    assert got[0].at_pooled == joint_moments_of([1, 1, 1], [2, 1, 1])
    assert got[1].at_own == joint_moments_of([2, 0], [2, 1])
    assert got[1].at_pooled == joint_moments_of([1, 0], [2, 1])


def test_a_row_at_the_cut_counts_as_below() -> None:
    assert rows_at_or_below(np.array([0, 0, 1]), np.array([1.0, 2.0, 2.0]), 2.0) == joint_moments_of([2, 1], [2, 1])


@pytest.mark.parametrize(
    ("values", "reason"),
    [([], UnavailableReason.NO_UNITS), ([1.0, math.nan], UnavailableReason.NOT_FINITE)],
)
def test_an_arm_without_a_quantile_says_why(values: list[float], reason: UnavailableReason) -> None:
    units = list(range(len(values)))
    got = quantile_rows_of([([1, 2], [3.0, 4.0]), (units, values)], 0.5)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_units_and_values_must_match() -> None:
    with pytest.raises(DataError, match="3 units and 2 values"):
        quantile_rows_of([([1, 2, 3], [1.0, 2.0])], 0.5)


def test_rows_can_be_stored() -> None:
    got = quantile_rows_of([([1, 1, 2], [3.0, 4.0, 0.0])], 0.5)
    assert not isinstance(got, Unavailable)
    adapter = TypeAdapter(QuantileRows)
    assert adapter.validate_json(adapter.dump_json(got[0])) == got[0]
