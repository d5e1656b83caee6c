"""Arms against segments, and against the arms of other experiments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import stats

from abflow.errors import DataError
from abflow.stats.independence import Independence, independence, independence_within
from abflow.stats.result import Unavailable, UnavailableReason

big_tables = st.integers(2, 4).flatmap(
    lambda columns: st.lists(st.lists(st.integers(80, 500), min_size=columns, max_size=columns), min_size=2, max_size=4)
)


def test_hair_and_sex_of_a_textbook_are_reproduced() -> None:
    # Zar (2010), Biostatistical Analysis, example 23.1: hair colour by sex, chi-square 8.987 with 3 dof, p 0.029.
    got = checked(independence([[32, 43, 16, 9], [55, 65, 64, 16]]))
    assert (got.statistic, got.dof) == pytest.approx((8.987, 3), abs=1e-3)
    assert got.p_value == pytest.approx(0.0295, abs=5e-4)


@given(big_tables)
def test_the_chi_square_agrees_with_scipy(table: list[list[int]]) -> None:
    got = checked(independence(table))
    want = stats.chi2_contingency(np.array(table), correction=False)
    assert (got.statistic, got.p_value) == pytest.approx((want.statistic, want.pvalue), rel=1e-9, abs=1e-12)
    assert got.dof == want.dof
    assert got.cramers_v == pytest.approx(stats.contingency.association(np.array(table), correction=False), abs=1e-9)
    assert got.method == "chi-square"


@given(big_tables)
def test_rows_and_columns_may_be_swapped_and_empty_ones_added(table: list[list[int]]) -> None:
    got = checked(independence(table))
    turned = np.array(table).T[::-1]
    padded = np.pad(turned, ((0, 1), (1, 0)))
    assert checked(independence(padded)).p_value == pytest.approx(got.p_value, rel=1e-9)
    assert checked(independence(padded)).dof == got.dof


def test_a_small_table_of_two_by_two_gets_fishers_test() -> None:
    # Lady tasting tea (Fisher 1935), two-sided p 0.4857.
    got = checked(independence([[3, 1], [1, 3]]))
    assert got.p_value == pytest.approx(0.4857143, abs=1e-7)
    assert got.method == "Fisher's exact"


def test_a_small_table_is_simulated_and_agrees_with_all_tables_counted() -> None:
    # Exactly: the chance of every table with these margins whose chi-square is at least as large.
    table = np.array([[4, 0, 1], [1, 3, 2]])
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    expected = np.outer(rows, columns) / table.sum()
    seen = float(np.sum((table - expected) ** 2 / expected))
    want = 0.0
    for a in range(columns[0] + 1):
        for b in range(columns[1] + 1):
            c = rows[0] - a - b
            if 0 <= c <= columns[2]:
                first = np.array([a, b, c])
                other = np.array([first, columns - first])
                chance = math.prod(math.comb(int(n), int(k)) for n, k in zip(columns, first, strict=True))
                if float(np.sum((other - expected) ** 2 / expected)) >= seen - 1e-9:
                    want += chance / math.comb(int(table.sum()), int(rows[0]))
    got = checked(independence(table))
    assert got.p_value == pytest.approx(want, abs=4 * math.sqrt(want / 100_000))
    assert got == independence(table)
    assert got.method == "chi-square, 100000 simulated tables"


def test_periods_keep_a_growing_segment_from_looking_like_another_split() -> None:
    # Half of the units to each arm, then a fifth; mobile users come mostly in the second period.
    periods = [[[400, 400], [100, 100]], [[20, 80], [160, 640]]]
    assert checked(independence_within(periods)).p_value > 0.99
    assert checked(independence(np.sum(periods, axis=0))).p_value < 1e-10
    assert checked(independence_within(periods)).dof == 2


def test_periods_add_up_and_one_that_says_nothing_is_left_out() -> None:
    first, second = [[50, 60], [70, 45]], [[80, 30], [85, 44]]
    got = checked(independence_within([first, [[5, 0], [7, 0]], second]))
    parts = [checked(independence(table)).statistic for table in (first, second)]
    assert (got.statistic, got.dof) == pytest.approx((sum(parts), 2))
    assert independence_within([first, [[0, 0], [0, 0]]]) == independence(first)


def test_one_tells_the_other() -> None:
    got = checked(independence([[100, 0, 0], [0, 50, 0], [0, 0, 70]]))
    assert got.cramers_v == pytest.approx(1.0)
    assert got.p_value < 1e-50


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (np.zeros((2, 3)), UnavailableReason.NO_UNITS),
        (np.zeros((0, 0)), UnavailableReason.NO_UNITS),
        ([[5, 6], [0, 0]], UnavailableReason.METHOD_NOT_VALID_HERE),
        ([[5], [6]], UnavailableReason.METHOD_NOT_VALID_HERE),
    ],
)
def test_what_cannot_be_tested_says_why(table: ArrayLike, reason: UnavailableReason) -> None:
    got = independence(table)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert got.detail


@pytest.mark.parametrize("table", [[[1, -1], [2, 3]], [[1.5, 1], [2, 3]], [[math.nan, 1], [2, 3]], [1, 2, 3]])
def test_what_is_no_table_of_counts_is_refused(table: ArrayLike) -> None:
    with pytest.raises(DataError, match="give"):
        independence(table)


def checked(got: Independence | Unavailable) -> Independence:
    assert isinstance(got, Independence), got
    return got


def test_rare_cells_among_a_billion_units_are_not_simulated() -> None:
    got = independence([[1, 2, 3], [4, 5, 1_000_000_000]])
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE
    assert "put rare rows or columns together" in got.detail
