"""Welch, ratios by the delta method, and relative lifts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.means import RelativeLift, difference_in_means, difference_in_ratios, relative_lift
from abflow.stats.moments import EMPTY, Moments, joint_moments_of, moments_of
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

samples = st.lists(st.floats(min_value=-1e4, max_value=1e4), min_size=10, max_size=40)
# gbstats (GrowthBook), tests of its frequentist mean metric: n, sum and sum of squares of each arm.
GROWTHBOOK_CONTROL = Moments(n=3407, mean=1396.87 / 3407, m2=52377.9767 - 1396.87**2 / 3407)
GROWTHBOOK_TREATMENT = Moments(n=3461, mean=2422.7 / 3461, m2=134698.29 - 2422.7**2 / 3461)


def test_welch_reproduces_rs_sleep_example() -> None:
    drug_1 = moments_of([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    drug_2 = moments_of([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    got = estimated(difference_in_means(drug_1, drug_2))
    assert (got.lower, got.upper) == pytest.approx((-0.2054832, 3.3654832), abs=1e-7)
    assert got.p_value == pytest.approx(0.07939, abs=5e-6)


def test_welch_reproduces_growthbooks_example() -> None:
    got = estimated(difference_in_means(GROWTHBOOK_CONTROL, GROWTHBOOK_TREATMENT))
    assert (got.value, got.se) == pytest.approx((0.29, 0.124784), abs=1e-6)
    assert (got.lower, got.upper) == pytest.approx((0.04538, 0.53462), abs=1e-5)
    assert got.p_value == pytest.approx(0.02016, abs=1e-5)


@given(samples, samples)
def test_welch_agrees_with_scipy(left: list[float], right: list[float]) -> None:
    control, treatment = moments_of(left), moments_of(right)
    assume(control.m2 > 1e-3 and treatment.m2 > 1e-3)
    got = estimated(difference_in_means(control, treatment, confidence=0.9))
    want = stats.ttest_ind(right, left, equal_var=False)
    interval = want.confidence_interval(0.9)
    assert got.p_value == pytest.approx(want.pvalue, rel=1e-6, abs=1e-12)
    assert (got.lower, got.upper) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


@given(samples, samples)
def test_swapping_the_arms_changes_the_sign_only(left: list[float], right: list[float]) -> None:
    there = difference_in_means(moments_of(left), moments_of(right))
    back = difference_in_means(moments_of(right), moments_of(left))
    assume(isinstance(there, Estimate))
    there, back = estimated(there), estimated(back)
    assert back.value == -there.value
    assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower))
    assert back.p_value == pytest.approx(there.p_value)


@given(samples, samples, st.sampled_from([1e-6, 0.5, 3.0, 1e6]))
def test_the_currency_does_not_matter(left: list[float], right: list[float], by: float) -> None:
    control, treatment = moments_of(left), moments_of(right)
    # In the smaller currency a spread of 1e-150 would be less than doubles can square.
    assume(all(arm.m2 == 0 or arm.m2 > 1e-280 for arm in (control, treatment)))
    plain = difference_in_means(control, treatment)
    assume(isinstance(plain, Estimate))
    scaled = estimated(difference_in_means(control.scaled(by), treatment.scaled(by)))
    assert scaled.p_value == pytest.approx(estimated(plain).p_value, rel=1e-6)
    # Two nearly equal means keep fewer digits in their difference.
    assert scaled.value == pytest.approx(estimated(plain).value * by, rel=1e-9, abs=1e-8 * by)


def test_the_largest_and_smallest_doubles_do_not_overflow() -> None:
    control, treatment = moments_of([1e150, 2e150] * 5), moments_of([2e150, 5e150] * 5)
    tiny = difference_in_means(control.scaled(1e-290), treatment.scaled(1e-290))
    assert estimated(difference_in_means(control, treatment)).p_value == pytest.approx(
        estimated(tiny).p_value, rel=1e-9
    )
    beyond = difference_in_means(moments_of([1e308] * 10), moments_of([-1e308] * 10))
    assert refused(beyond) is UnavailableReason.NOT_FINITE


def test_a_spread_too_small_to_be_squared_is_none() -> None:
    """Doubles below 2e-308 lose digits one by one, and the p-value with them."""
    control = moments_of([0.0] * 10)
    assert refused(difference_in_means(control, moments_of([0.0] * 9 + [1.7e-158]))) is UnavailableReason.NO_VARIANCE
    half, whole = (difference_in_means(control, moments_of([0.0] * 9 + [value])) for value in (1e-150, 2e-150))
    assert estimated(half).p_value == pytest.approx(estimated(whole).p_value, rel=1e-9)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (EMPTY, moments_of(range(20)), UnavailableReason.NO_UNITS),
        (moments_of(range(20)), moments_of([1.0]), UnavailableReason.TOO_FEW_UNITS),
        (moments_of(range(9)), moments_of(range(20)), UnavailableReason.TOO_FEW_UNITS),
        (moments_of([0.1] * 20), moments_of([0.3] * 20), UnavailableReason.NO_VARIANCE),
        (moments_of([0.0] * 20), moments_of([0.0] * 20), UnavailableReason.NO_VARIANCE),
        (moments_of([math.inf] * 20), moments_of(range(20)), UnavailableReason.NOT_FINITE),
        (moments_of(range(20)), moments_of([math.nan, *range(20)]), UnavailableReason.NOT_FINITE),
    ],
)
def test_what_cannot_be_compared_says_why(control: Moments, treatment: Moments, reason: UnavailableReason) -> None:
    assert refused(difference_in_means(control, treatment)) is reason


def test_one_constant_arm_leaves_a_usable_difference() -> None:
    got = estimated(difference_in_means(moments_of([0.0] * 20), moments_of(range(20))))
    assert got.lower > 0
    assert got.p_value == pytest.approx(stats.ttest_1samp(range(20), 0).pvalue)


@pytest.mark.parametrize("confidence", [0.0, 0.05, 1.0, 95.0])
def test_a_confidence_must_be_a_confidence(confidence: float) -> None:
    with pytest.raises(SpecError, match=r"write 0\.95"):
        difference_in_means(moments_of(range(20)), moments_of(range(20)), confidence=confidence)


def test_a_ratios_error_is_that_of_least_squares_with_clustered_rows() -> None:
    rng = np.random.default_rng(7)
    arms = [clustered(rng, 400), clustered(rng, 500)]
    got = estimated(difference_in_ratios(*(joint_moments_of(x, y) for x, y in arms)))
    # Cluster-robust (CR0, times G/(G-1)) error of the mean of 0/1 rows, from the rows' own residuals.
    variance = 0.0
    for clicks, views in arms:
        rate = clicks.sum() / views.sum()
        scores = clicks * (1 - rate) - (views - clicks) * rate
        groups = len(views)
        variance += groups / (groups - 1) * float(np.sum(scores**2)) / float(views.sum()) ** 2
    assert got.se == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_a_ratio_to_one_per_unit_is_the_difference_in_means() -> None:
    left, right = [3.0, 5.0, 1.0] * 10, [4.0, 9.0, 1.0] * 12
    ratio = estimated(difference_in_ratios(joint_moments_of(left, np.ones(30)), joint_moments_of(right, np.ones(36))))
    plain = estimated(difference_in_means(moments_of(left), moments_of(right)))
    assert (ratio.value, ratio.se, ratio.p_value) == pytest.approx((plain.value, plain.se, plain.p_value))


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([], [], UnavailableReason.NO_UNITS),
        ([1.0] * 20, [0.0] * 20, UnavailableReason.ZERO_DENOMINATOR),
        ([1.0, 2.0], [1.0, 1.0], UnavailableReason.TOO_FEW_UNITS),
        ([1.0] * 20, [1.0] * 19 + [100.0], UnavailableReason.METHOD_NOT_VALID_HERE),
        ([math.inf] * 20, [1.0] * 20, UnavailableReason.NOT_FINITE),
    ],
)
def test_a_ratio_that_cannot_be_trusted_says_why(x: list[float], y: list[float], reason: UnavailableReason) -> None:
    good = joint_moments_of(np.arange(40.0), np.full(40, 3.0))
    assert refused(difference_in_ratios(joint_moments_of(x, y), good)) is reason
    assert refused(difference_in_ratios(good, joint_moments_of(x, y))) is reason


def test_units_with_nothing_in_either_sum_stay_in_a_ratio() -> None:
    x, y = np.arange(40.0), np.full(40, 3.0)
    padded = joint_moments_of(np.append(x, [0.0] * 5), np.append(y, [0.0] * 5))
    assert padded.linearised().mean == pytest.approx(joint_moments_of(x, y).linearised().mean)
    assert padded.linearised().n == 45


def test_relative_lift_reproduces_growthbooks_example() -> None:
    got = lifted(relative_lift(GROWTHBOOK_CONTROL, GROWTHBOOK_TREATMENT))
    assert (got.estimate.value, got.estimate.se) == pytest.approx((0.70732, 0.37879), abs=1e-5)
    assert (got.estimate.lower, got.estimate.upper) == pytest.approx((-0.03526, 1.44989), abs=1e-5)
    assert got.estimate.p_value == pytest.approx(0.06191, abs=1e-5)


def test_fieller_says_the_opposite_of_the_delta_method_there() -> None:
    # Recomputed independently; see also the lift above, whose interval holds 0.
    got = lifted(relative_lift(GROWTHBOOK_CONTROL, GROWTHBOOK_TREATMENT))
    assert got.fieller == pytest.approx((0.09417, 1.70840), abs=1e-5)
    assert got.g == pytest.approx(0.1020, abs=5e-5)
    assert got.unstable


@given(samples, st.floats(min_value=0.1, max_value=50))
def test_a_lift_does_not_depend_on_the_unit(values: list[float], by: float) -> None:
    control, treatment = moments_of([abs(v) + 1e4 for v in values]), moments_of([2e3, 3e3] * 10)
    plain, scaled = (
        lifted(relative_lift(control, treatment)),
        lifted(relative_lift(control.scaled(by), treatment.scaled(by))),
    )
    assert scaled.estimate.value == pytest.approx(plain.estimate.value, rel=1e-9, abs=1e-12)
    assert scaled.estimate.p_value == pytest.approx(plain.estimate.p_value, rel=1e-6, abs=1e-300)
    assert scaled.fieller == pytest.approx(plain.fieller)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (moments_of([-1.0, 1.0] * 10), moments_of(range(20)), UnavailableReason.BASELINE_NEAR_ZERO),
        (moments_of([0.0] * 20), moments_of(range(20)), UnavailableReason.BASELINE_NEAR_ZERO),
        (moments_of([-5.0, -6.0] * 10), moments_of(range(20)), UnavailableReason.METHOD_NOT_VALID_HERE),
        (moments_of([5.0, 6.0] * 10), moments_of([0.0] * 20), UnavailableReason.METHOD_NOT_VALID_HERE),
        (moments_of([5.0] * 20), moments_of([6.0] * 20), UnavailableReason.NO_VARIANCE),
        (EMPTY, moments_of(range(20)), UnavailableReason.NO_UNITS),
    ],
)
def test_a_lift_over_nothing_says_why(control: Moments, treatment: Moments, reason: UnavailableReason) -> None:
    assert refused(relative_lift(control, treatment)) is reason


def test_fiellers_interval_opens_when_the_confidence_asks_too_much() -> None:
    control = moments_of([0.0, 1.0, 2.0] * 4)
    got = lifted(relative_lift(control, moments_of(range(20)), confidence=1 - 1e-6))
    assert isinstance(got.fieller, Unavailable)


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 1000])
def test_equal_arms_of_purchases_are_told_apart_one_time_in_twenty(n: int) -> None:
    runs, rng = 2_000, np.random.default_rng(20_261_001)
    # Half of the units buy nothing; the rest spend a lognormal amount.
    spend = rng.lognormal(size=(2 * runs, n)) * (rng.random((2 * runs, n)) < 0.5)
    rejected = sum(
        estimated(difference_in_means(moments_of(a), moments_of(b))).p_value < 0.05
        for a, b in zip(spend[:runs], spend[runs:], strict=True)
    )
    band = 3.29 * math.sqrt(0.05 * 0.95 / runs)
    assert rejected / runs == pytest.approx(0.05, abs=band)


@pytest.mark.slow
def test_clustered_rows_are_told_apart_one_time_in_twenty_and_by_rows_far_more_often() -> None:
    runs, rng = 2_000, np.random.default_rng(20_261_002)
    by_unit = by_row = 0
    for _ in range(runs):
        arms = [clustered(rng, 200), clustered(rng, 200)]
        by_unit += estimated(difference_in_ratios(*(joint_moments_of(*arm) for arm in arms))).p_value < 0.05
        rates = [clicks.sum() / views.sum() for clicks, views in arms]
        se = math.sqrt(sum(r * (1 - r) / arm[1].sum() for r, arm in zip(rates, arms, strict=True)))
        by_row += abs(rates[1] - rates[0]) > 1.96 * se
    band = 3.29 * math.sqrt(0.05 * 0.95 / runs)
    assert by_unit / runs == pytest.approx(0.05, abs=band)
    assert by_row / runs > 0.15


@pytest.mark.slow
def test_the_lifts_interval_covers_a_true_lift_of_ten_percent() -> None:
    runs, rng = 2_000, np.random.default_rng(20_261_003)
    control = rng.gamma(2.0, 5.0, size=(runs, 500))
    treatment = 1.1 * rng.gamma(2.0, 5.0, size=(runs, 500))
    covered = 0
    for a, b in zip(control, treatment, strict=True):
        got = lifted(relative_lift(moments_of(a), moments_of(b))).estimate
        covered += got.lower < 0.1 < got.upper
    assert covered / runs == pytest.approx(0.95, abs=3.29 * math.sqrt(0.05 * 0.95 / runs))


def clustered(rng: np.random.Generator, units: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clicks and views per unit; units differ in how often they click."""
    views = rng.integers(1, 20, size=units)
    clicks = rng.binomial(views, rng.beta(1.0, 4.0, size=units))
    return clicks.astype(np.float64), views.astype(np.float64)


def estimated(got: Estimate | Unavailable) -> Estimate:
    assert isinstance(got, Estimate), got
    return got


def lifted(got: RelativeLift | Unavailable) -> RelativeLift:
    assert isinstance(got, RelativeLift), got
    return got


def refused(got: Estimate | RelativeLift | Unavailable) -> UnavailableReason:
    assert isinstance(got, Unavailable), got
    assert got.detail
    return got.reason
