"""Differences and ratios of quantiles of rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from abflow.errors import SpecError
from abflow.stats.quantile_interval import ArmQuantile, combined_ends, quantile_of_arm
from abflow.stats.quantile_rows import QuantileRows, quantile_rows_of
from abflow.stats.quantiles import difference_in_quantiles, relative_quantile_lift
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

Rows = tuple[NDArray[np.int64], NDArray[np.float64]]


def test_the_interval_of_independent_rows_is_scipys_exact_one() -> None:
    rows = arm(1, units=2000, rows=1)
    got = quantile_of_arm(pair(rows, rows, 0.9)[0], 0.9)
    assert isinstance(got, ArmQuantile)
    test: Any = stats.quantile_test(rows[1], q=float(np.quantile(rows[1], 0.9)), p=0.9)
    exact = test.confidence_interval(0.95)
    # Order statistics of the binomial; its ends are a rank or two further apart than the normal's.
    assert got.value == pytest.approx(np.quantile(rows[1], 0.9), rel=0.005)
    assert (got.lower, got.upper) == pytest.approx((exact.low, exact.high), rel=0.02)


def test_arms_combine_as_newcombes_interval_does() -> None:
    # Newcombe (1998), table II, method 10: 56/70 and 48/80 with their Wilson intervals give 0.0524 to 0.3339.
    rates = []
    for successes, n in ((48, 80), (56, 70)):
        lower, upper = proportion_confint(successes, n, method="wilson")
        rates.append(ArmQuantile(value=successes / n, lower=lower, upper=upper, level_se=0))
    got = combined_ends(rates[0], rates[1], weight_control=1, weight_treatment=1)
    assert got == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_p_value_of_independent_rows_is_a_test_of_shares() -> None:
    left, right = arm(1, units=800, rows=1), arm(2, units=900, rows=1, times=1.1)
    got = estimated(difference_in_quantiles(*pair(left, right, 0.75), 0.75))
    cut = np.quantile(np.concatenate((left[1], right[1])), 0.75)
    want = stats.ttest_ind((right[1] <= cut).astype(float), (left[1] <= cut).astype(float), equal_var=False)
    assert got.p_value == pytest.approx(want.pvalue, rel=1e-6)


def test_the_p_value_of_clustered_rows_is_least_squares_with_clustered_errors() -> None:
    left, right = arm(1, units=400, rows=10), arm(2, units=500, rows=10, times=1.05)
    got = estimated(difference_in_quantiles(*pair(left, right, 0.95), 0.95))
    values = np.concatenate((left[1], right[1]))
    treated = np.repeat([0.0, 1.0], [left[1].size, right[1].size])
    groups = np.concatenate((left[0], 10_000 + right[0]))
    below = (values <= np.quantile(values, 0.95)).astype(float)
    fit = sm.OLS(below, sm.add_constant(treated)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert got.p_value == pytest.approx(fit.pvalues[1], rel=0.05)


def test_the_difference_is_that_of_numpys_quantiles() -> None:
    left, right = arm(1, units=400, rows=10), arm(2, units=500, rows=10, times=1.5)
    want = np.quantile(right[1], 0.95) - np.quantile(left[1], 0.95)
    assert estimated(difference_in_quantiles(*pair(left, right, 0.95), 0.95)).value == pytest.approx(want, rel=0.01)


def test_the_error_is_the_spread_of_the_estimates() -> None:
    got = []
    for seed in range(0, 300, 2):
        both = pair(arm(seed, units=300, rows=5), arm(seed + 1, units=300, rows=5), 0.9)
        got.append(estimated(difference_in_quantiles(*both, 0.9)))
    assert np.mean([e.se for e in got]) == pytest.approx(np.std([e.value for e in got]), rel=0.15)


def test_rows_of_one_unit_that_go_together_count_once() -> None:
    left, right = arm(1, units=400, rows=1), arm(2, units=400, rows=1)
    once = estimated(difference_in_quantiles(*pair(left, right, 0.8), 0.8))
    left, right = ((np.repeat(unit, 10), np.repeat(value, 10)) for unit, value in (left, right))
    got = estimated(difference_in_quantiles(*pair(left, right, 0.8), 0.8))
    assert (got.se, got.p_value) == pytest.approx((once.se, once.p_value), rel=0.05)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.9]))
def test_swapping_the_arms_changes_the_sign_only(seed: int, q: float) -> None:
    control, treatment = pair(arm(seed, units=150, rows=4), arm(seed + 1, units=120, rows=4), q)
    there = estimated(difference_in_quantiles(control, treatment, q))
    back = estimated(difference_in_quantiles(treatment, control, q))
    assert (back.value, back.se, back.p_value) == pytest.approx((-there.value, there.se, there.p_value))
    assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.001, 1000))
def test_the_unit_of_time_does_not_matter(seed: int, by: float) -> None:
    left, right = arm(seed, units=150, rows=4), arm(seed + 1, units=120, rows=4)
    plain = estimated(difference_in_quantiles(*pair(left, right, 0.9), 0.9))
    got = estimated(difference_in_quantiles(*pair((left[0], by * left[1]), (right[0], by * right[1]), 0.9), 0.9))
    # Values fall into other bins.
    assert got.value == pytest.approx(by * plain.value, abs=0.03 * by * plain.se)
    assert got.se == pytest.approx(by * plain.se, rel=0.03)


@pytest.mark.parametrize("times", [0.5, 2.0])
def test_a_large_change_is_seen_by_test_and_interval_alike(times: float) -> None:
    both = pair(arm(1, units=400, rows=5), arm(2, units=400, rows=5, times=times), 0.9)
    got, lift = difference_in_quantiles(*both, 0.9), relative_quantile_lift(*both, 0.9)
    for found in (estimated(got), estimated(lift)):
        assert found.p_value < 1e-6
        assert (found.lower > 0) == (times > 1)
        assert (found.upper < 0) == (times < 1)


def test_a_lift_is_the_ratio_of_quantiles() -> None:
    left, right = arm(1, units=900, rows=5), arm(2, units=900, rows=5, times=1.3)
    got = estimated(relative_quantile_lift(*pair(left, right, 0.9), 0.9))
    assert got.value == pytest.approx(np.quantile(right[1], 0.9) / np.quantile(left[1], 0.9) - 1, abs=0.01)
    assert got.lower < 0.3 < got.upper
    # Exchanging the arms inverts the ratio and its ends.
    back = estimated(relative_quantile_lift(*pair(right, left, 0.9), 0.9))
    assert (1 + back.lower, 1 + back.upper) == pytest.approx((1 / (1 + got.upper), 1 / (1 + got.lower)))


def test_a_lift_over_nothing_is_unavailable() -> None:
    left, right = arm(1, units=200, rows=5), arm(2, units=200, rows=5)
    got = relative_quantile_lift(*pair((left[0], left[1] - 1), (right[0], right[1] - 1), 0.5), 0.5)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.BASELINE_NEAR_ZERO


def test_negative_values_have_differences() -> None:
    left, right = arm(1, units=200, rows=5), arm(2, units=200, rows=5)
    got = estimated(difference_in_quantiles(*pair((left[0], -left[1]), (right[0], -right[1]), 0.1), 0.1))
    mirrored = estimated(difference_in_quantiles(*pair(left, right, 0.9), 0.9))
    assert got.value == pytest.approx(-mirrored.value, abs=0.05 * mirrored.se)


def test_rounded_values_may_share_their_quantile() -> None:
    # 60 % of all rows are exactly 20 ms, so the median and its ends are 20 in both arms.
    left, right = (
        (unit, np.where(value < np.quantile(value, 0.6), 20.0, 30.0))
        for unit, value in (arm(seed, units=500, rows=5) for seed in (1, 2))
    )
    got = estimated(difference_in_quantiles(*pair(left, right, 0.5), 0.5))
    assert (got.value, got.se, got.lower, got.upper) == (0, 0, 0, 0)
    assert got.p_value > 0.05


@pytest.mark.parametrize(
    ("units", "q", "reason"),
    [(9, 0.5, UnavailableReason.TOO_FEW_UNITS), (30, 0.99, UnavailableReason.TOO_FEW_UNITS)],
)
def test_too_few_units_have_no_interval(units: int, q: float, reason: UnavailableReason) -> None:
    got = difference_in_quantiles(*pair(arm(1, units=500, rows=5), arm(2, units=units, rows=5), q), q)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert got.detail.startswith("treatment: ")


def test_equal_values_have_no_variance() -> None:
    rows = (np.arange(50), np.full(50, 20.0))
    got = difference_in_quantiles(*pair(rows, rows, 0.5), 0.5)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_VARIANCE


def test_a_level_must_be_a_level() -> None:
    both = pair(arm(1, units=50, rows=2), arm(2, units=50, rows=2), 0.5)
    with pytest.raises(SpecError, match="q 95"):
        difference_in_quantiles(*both, 95)
    with pytest.raises(SpecError, match=r"write 0\.95"):
        difference_in_quantiles(*both, 0.5, confidence=0.05)


def test_rows_that_do_not_overlap_have_no_test_of_their_medians_and_it_says_why() -> None:
    rows = pair(arm(1, units=100, rows=4), arm(2, units=100, rows=4, times=1e6), 0.5)
    got = difference_in_quantiles(*rows, 0.5)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_VARIANCE
    assert "do not overlap" in got.detail


def arm(seed: int, *, units: int, rows: int, times: float = 1.0) -> Rows:
    """Lognormal latencies; half of the log variance is the unit's own."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(size=(units, 1)) + rng.normal(size=(units, rows))
    return np.repeat(np.arange(units), rows), times * np.exp(math.sqrt(0.5) * logs.ravel())


def pair(control: Rows, treatment: Rows, q: float) -> tuple[QuantileRows, QuantileRows]:
    got = quantile_rows_of([control, treatment], q)
    assert not isinstance(got, Unavailable), got
    return got[0], got[1]


def estimated(got: Estimate | Unavailable) -> Estimate:
    assert isinstance(got, Estimate), got
    return got
