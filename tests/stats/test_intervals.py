"""Exact bounds of a rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import DataError
from abflow.stats.intervals import clopper_pearson_lower, clopper_pearson_upper
from abflow.stats.result import Unavailable, UnavailableReason

arms = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_no_error_in_299_requests_shows_a_rate_of_at_most_one_percent() -> None:
    # By hand: .99 to the power 299 is .0495, to the power 298 it is .0500 and a little more.
    assert known(clopper_pearson_upper(0, 299)) <= 0.01
    assert known(clopper_pearson_upper(0, 298)) > 0.01


@given(arms, st.sampled_from([0.9, 0.95, 0.99]))
def test_bounds_are_the_ends_of_scipys_exact_interval(arm: tuple[int, int], confidence: float) -> None:
    want = stats.binomtest(*arm).proportion_ci(2 * confidence - 1, method="exact")
    assert known(clopper_pearson_lower(*arm, confidence=confidence)) == pytest.approx(want.low, abs=1e-9)
    assert known(clopper_pearson_upper(*arm, confidence=confidence)) == pytest.approx(want.high, abs=1e-9)


@given(arms)
def test_errors_and_successes_mirror_each_other(arm: tuple[int, int]) -> None:
    errors, n = arm
    mirrored = 1 - known(clopper_pearson_lower(n - errors, n))
    assert known(clopper_pearson_upper(errors, n)) == pytest.approx(mirrored, abs=1e-12)


@pytest.mark.parametrize("p", [0.005, 0.01, 0.3])
def test_a_bound_is_right_at_least_as_often_as_it_says(p: float) -> None:
    # Exactly, over every possible count.
    n = 200
    wrong_upper = sum(float(stats.binom.pmf(k, n, p)) for k in range(n + 1) if known(clopper_pearson_upper(k, n)) < p)
    wrong_lower = sum(float(stats.binom.pmf(k, n, p)) for k in range(n + 1) if known(clopper_pearson_lower(k, n)) > p)
    assert wrong_upper <= 0.05
    assert 0 < wrong_lower <= 0.05


def test_no_units_have_no_rate() -> None:
    for got in (clopper_pearson_lower(0, 0), clopper_pearson_upper(0, 0)):
        assert isinstance(got, Unavailable)
        assert got.reason is UnavailableReason.NO_UNITS


@pytest.mark.parametrize(("successes", "n"), [(5, 4), (-1, 4), (0, -1)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(DataError, match="successes"):
        clopper_pearson_upper(successes, n)
    with pytest.raises(DataError, match="successes"):
        clopper_pearson_lower(successes, n)


def known(bound: float | Unavailable) -> float:
    assert not isinstance(bound, Unavailable), bound
    return bound
