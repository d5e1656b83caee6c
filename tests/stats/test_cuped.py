"""CUPED against GrowthBook, tea-tasting and least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import statsmodels.api as sm
import tea_tasting as tt
from gbstats.frequentist.tests import FrequentistConfig, TwoSidedTTest
from gbstats.models.statistics import RegressionAdjustedStatistic, SampleMeanStatistic
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import stats
from tea_tasting.aggr import Aggregates

from abflow.errors import SpecError
from abflow.stats.cuped import Cuped, cuped_of_means, cuped_of_ratios
from abflow.stats.means import RelativeLift, difference_in_means, difference_in_ratios, relative_lift
from abflow.stats.moments import joint_moments_of, moments_of
from abflow.stats.noninferiority import margin_bounds
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.vector_moments import VectorMoments, vector_moments_of

Units = NDArray[np.float64]
# gbstats (GrowthBook), its test of a regression-adjusted metric: n, sums of y, y², x, x² and xy.
CONTROL = (3001, 300, 600, 210, 415, -20)
TREATMENT = (3000, 222, 555, 120, 405, -10)


def test_growthbooks_example_with_the_coefficient_of_the_stacked_arms() -> None:
    got = cuped_of_means([from_sums(*CONTROL), from_sums(*TREATMENT)])
    assert got.theta == pytest.approx(-0.0732119, abs=5e-8)
    lift = relative_lift(*(arm.adjusted for arm in got.arms))
    assert isinstance(lift, RelativeLift)
    # Relative to the mean the control was observed to have.
    assert lift.estimate.value == pytest.approx(-0.281707154, abs=5e-10)
    assert [arm.unadjusted.mean for arm in got.arms] == pytest.approx([0.099966678, 0.074], abs=5e-10)


def test_other_conventions_give_other_coefficients_there() -> None:
    control, treatment = from_sums(*CONTROL), from_sums(*TREATMENT)
    theta = cuped_of_means([control, treatment]).theta
    covariance = [arm.cross[0][1] / (arm.n - 1) for arm in (control, treatment)]
    variance = [arm.cross[1][1] / (arm.n - 1) for arm in (control, treatment)]
    # The published relative effects differ: -.282180 and -.290461.
    summed, control_only = sum(covariance) / sum(variance), covariance[0] / variance[0]
    assert relative_effect(summed) == pytest.approx(-0.282180, abs=5e-7)
    assert relative_effect(control_only) == pytest.approx(-0.290461, abs=5e-7)
    assert relative_effect(theta) == pytest.approx(-0.281707, abs=5e-7)


def relative_effect(theta: float) -> float:
    y_c, x_c, y_t, x_t = 300 / 3001, 210 / 3001, 222 / 3000, 120 / 3000
    return (y_t - y_c - theta * (x_t - x_c)) / y_c


def test_the_adjusted_difference_is_growthbooks() -> None:
    theirs = TwoSidedTTest(
        growthbook(*CONTROL), growthbook(*TREATMENT), FrequentistConfig(difference_type="absolute")
    ).compute_result()
    got = difference(cuped_of_means([from_sums(*CONTROL), from_sums(*TREATMENT)]))
    assert got.value == pytest.approx(theirs.expected)
    assert (got.lower, got.upper) == pytest.approx(tuple(theirs.ci))
    assert got.p_value == pytest.approx(theirs.p_value)


def growthbook(n: int, y: float, yy: float, x: float, xx: float, xy: float) -> RegressionAdjustedStatistic:
    return RegressionAdjustedStatistic(
        n=n,
        post_statistic=SampleMeanStatistic(n=n, sum=y, sum_squares=yy),
        pre_statistic=SampleMeanStatistic(n=n, sum=x, sum_squares=xx),
        post_pre_sum_of_products=xy,
        theta=0,
    )


def test_the_coefficient_is_the_slope_of_least_squares_over_all_units() -> None:
    control, treatment = arm(1, 400), arm(2, 700, effect=0.3)
    got = cuped_of_means([vector_moments_of(control), vector_moments_of(treatment)])
    both = np.concatenate((control, treatment))
    fit = sm.OLS(both[:, 0], sm.add_constant(both[:, 1])).fit()
    assert got.theta == pytest.approx(fit.params[1], rel=1e-9)
    assert 1 - got.design_effect == pytest.approx(fit.rsquared, rel=1e-9)
    # And the comparison is Welch's test of what that slope leaves.
    left = [units[:, 0] - fit.params[1] * units[:, 1] for units in (control, treatment)]
    want = stats.ttest_ind(left[1], left[0], equal_var=False)
    interval = want.confidence_interval(0.95)
    found = difference(got)
    assert found.p_value == pytest.approx(want.pvalue, rel=1e-9)
    assert (found.lower, found.upper) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_it_tells_what_an_analysis_of_covariance_tells() -> None:
    control, treatment = arm(1, 4000), arm(2, 4000, effect=0.3)
    got = difference(cuped_of_means([vector_moments_of(control), vector_moments_of(treatment)]))
    both = np.concatenate((control, treatment))
    design = sm.add_constant(np.column_stack((np.repeat([0, 1], 4000), both[:, 1])))
    fit = sm.OLS(both[:, 0], design).fit(cov_type="HC2")
    # Its slope is from within the arms, ours from the stacked units; they meet as the arms grow.
    assert got.value == pytest.approx(fit.params[1], abs=0.01 * got.se)
    assert got.se == pytest.approx(fit.bse[1], rel=0.001)


def test_ratios_are_adjusted_as_tea_tasting_adjusts_them() -> None:
    control, treatment = ratio_arm(3, 500), ratio_arm(4, 600)
    got = difference(ratios([control, treatment]))
    metric = tt.RatioOfMeans("num", "den", "num_before", "den_before", use_t=True, equal_var=False)
    theirs = metric.analyze_aggregates(aggregates(control), aggregates(treatment))
    assert got.value == pytest.approx(theirs.effect_size, rel=1e-9)
    assert (got.lower, got.upper) == pytest.approx((theirs.effect_size_ci_lower, theirs.effect_size_ci_upper), rel=1e-9)
    assert got.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def aggregates(units: Units) -> Aggregates:
    names = ("num", "den", "num_before", "den_before")
    covariance = np.cov(units, rowvar=False)
    return Aggregates(
        count_=len(units),
        mean_=dict(zip(names, units.mean(axis=0).tolist(), strict=True)),
        var_=dict(zip(names, np.diag(covariance).tolist(), strict=True)),
        cov_={(a, b): float(covariance[i, j]) for i, a in enumerate(names) for j, b in enumerate(names) if a < b},
    )


def test_ratios_to_one_per_unit_are_means() -> None:
    control, treatment = arm(1, 200), arm(2, 300)
    means = cuped_of_means([vector_moments_of(control), vector_moments_of(treatment)])
    with_ones = [np.column_stack((u[:, 0], np.ones(len(u)), u[:, 1], np.ones(len(u)))) for u in (control, treatment)]
    got, want = difference(ratios(with_ones)), difference(means)
    assert (got.value, got.se, got.p_value) == pytest.approx((want.value, want.se, want.p_value))


def test_the_unadjusted_ratio_stands_beside_the_adjusted_one() -> None:
    control, treatment = ratio_arm(3, 500), ratio_arm(4, 600)
    plain = difference_in_ratios(*(joint_moments_of(u[:, 0], u[:, 1]) for u in (control, treatment)))
    beside = difference_in_means(*(a.unadjusted for a in ratios([control, treatment]).arms))
    assert isinstance(plain, Estimate)
    assert isinstance(beside, Estimate)
    assert (beside.value, beside.se) == pytest.approx((plain.value, plain.se))


def test_the_adjustment_leaves_the_promised_share_of_the_variance() -> None:
    got = cuped_of_means([vector_moments_of(arm(1, 20_000)), vector_moments_of(arm(2, 20_000))])
    assert got.design_effect == pytest.approx(1 - 0.6**2, abs=0.02)
    for one in got.arms:
        assert one.adjusted.variance == pytest.approx(got.design_effect * one.unadjusted.variance, rel=0.02)


def test_the_control_keeps_the_mean_that_was_observed() -> None:
    got = cuped_of_means([vector_moments_of(arm(1, 100)), vector_moments_of(arm(2, 100))])
    assert got.arms[0].adjusted.mean == got.arms[0].unadjusted.mean


def test_every_treatment_is_adjusted_with_one_coefficient() -> None:
    moments = [vector_moments_of(arm(seed, 200 + seed)) for seed in range(4)]
    got = cuped_of_means(moments)
    assert {one.theta for one in got.arms} == {got.theta}
    stacked = np.concatenate([arm(seed, 200 + seed) for seed in range(4)])
    assert got.theta == pytest.approx(np.polyfit(stacked[:, 1], stacked[:, 0], 1)[0])


@settings(deadline=None)
@given(st.floats(-1e3, 1e3), st.sampled_from([-5.0, 0.01, 3.0]))
def test_the_scale_of_the_covariate_does_not_matter(shift: float, by: float) -> None:
    control, treatment = arm(1, 60), arm(2, 80)
    plain = difference(cuped_of_means([vector_moments_of(control), vector_moments_of(treatment)]))
    moved = [vector_moments_of(np.column_stack((u[:, 0], shift + by * u[:, 1]))) for u in (control, treatment)]
    got = difference(cuped_of_means(moved))
    assert (got.value, got.se) == pytest.approx((plain.value, plain.se), rel=1e-6, abs=1e-9)


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_swapping_the_arms_changes_the_sign_only(seed: int) -> None:
    arms = [vector_moments_of(arm(seed, 60)), vector_moments_of(arm(seed + 1, 80))]
    there, back = difference(cuped_of_means(arms)), difference(cuped_of_means(arms[::-1]))
    assert back.value == pytest.approx(-there.value)
    assert (back.se, back.p_value) == pytest.approx((there.se, there.p_value))


def test_a_proportion_is_compared_as_a_mean() -> None:
    units = arm(1, 300)
    units[:, 0] = units[:, 0] > 5
    got = cuped_of_means([vector_moments_of(units[:150]), vector_moments_of(units[150:])])
    assert difference(got).method == "Welch t"


@pytest.mark.parametrize(
    ("covariate", "reason"),
    [(7.0, UnavailableReason.NO_VARIANCE), (math.inf, UnavailableReason.NOT_FINITE)],
)
def test_a_covariate_that_cannot_help_leaves_the_outcome_and_says_so(
    covariate: float, reason: UnavailableReason
) -> None:
    arms = [arm(1, 50), arm(2, 50)]
    for units in arms:
        units[:, 1] = covariate
    got = cuped_of_means([vector_moments_of(units) for units in arms])
    assert got.why_unadjusted is not None
    assert got.why_unadjusted.reason is reason
    assert (got.theta, got.design_effect) == (0, 1)
    for one, units in zip(got.arms, arms, strict=True):
        assert one.adjusted == one.unadjusted
        assert one.pair.is_finite
        assert one.unadjusted.variance == pytest.approx(moments_of(units[:, 0]).variance)


def test_an_outcome_without_spread_is_left_alone() -> None:
    arms = [arm(1, 50), arm(2, 50)]
    for units in arms:
        units[:, 0] = 2
    got = cuped_of_means([vector_moments_of(units) for units in arms])
    assert got.why_unadjusted is not None
    assert "outcome" in got.why_unadjusted.detail


def test_an_outcome_that_is_its_own_past_leaves_no_variance() -> None:
    arms = [np.repeat(arm(seed, 50)[:, [1]], 2, axis=1) for seed in (1, 2)]
    got = difference_in_means(*(one.adjusted for one in cuped_of_means([vector_moments_of(u) for u in arms]).arms))
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_VARIANCE


def test_an_arm_without_units_is_not_adjusted_and_not_compared() -> None:
    got = cuped_of_means([vector_moments_of(arm(1, 50)), vector_moments_of(np.empty((0, 2)))])
    assert got.why_unadjusted is not None
    assert got.why_unadjusted.reason is UnavailableReason.NO_UNITS
    assert isinstance(difference_in_means(*(one.adjusted for one in got.arms)), Unavailable)


def test_a_ratio_without_a_past_is_left_unadjusted() -> None:
    arms = [ratio_arm(3, 100), ratio_arm(4, 100)]
    for units in arms:
        units[:, 2:] = 0
    got = ratios(arms)
    assert got.why_unadjusted is not None
    assert got.why_unadjusted.reason is UnavailableReason.ZERO_DENOMINATOR
    assert "before the test" in got.why_unadjusted.detail
    plain = difference_in_ratios(*(joint_moments_of(u[:, 0], u[:, 1]) for u in arms))
    assert isinstance(plain, Estimate)
    assert difference(got).p_value == pytest.approx(plain.p_value)


def test_a_ratio_without_a_denominator_is_unavailable() -> None:
    arms = [ratio_arm(3, 100), ratio_arm(4, 100)]
    arms[1][:, 1] = 0
    got = cuped_of_ratios([vector_moments_of(units) for units in arms])
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.ZERO_DENOMINATOR
    assert "treatment 1" in got.detail


def test_values_near_1e80_do_not_overflow() -> None:
    arms = [arm(1, 50), arm(2, 50)]
    plain = cuped_of_means([vector_moments_of(units) for units in arms])
    huge = cuped_of_means([vector_moments_of(units * 1e80) for units in arms])
    assert huge.correlation == pytest.approx(plain.correlation)
    assert difference(huge).p_value == pytest.approx(difference(plain).p_value)


def test_arms_that_do_not_fit_say_so() -> None:
    one = vector_moments_of(arm(1, 20))
    with pytest.raises(SpecError, match="at least one treatment"):
        cuped_of_means([one])
    with pytest.raises(SpecError, match="CUPED needs 4"):
        cuped_of_ratios([one, one])


def test_a_result_can_be_stored() -> None:
    value = cuped_of_means([vector_moments_of(arm(1, 20)), vector_moments_of(arm(2, 20))])
    adapter = TypeAdapter(Cuped)
    assert adapter.validate_json(adapter.dump_json(value)) == value


def test_absolute_margins_are_read_from_the_adjusted_arms() -> None:
    control, treatment = arm(1, 300), arm(2, 300)
    got = cuped_of_means([vector_moments_of(control), vector_moments_of(treatment)])
    bounds = margin_bounds(*(one.adjusted for one in got.arms), kind="mean", sign=1, margin=-0.2, relative=False)
    assert not isinstance(bounds, Unavailable)
    left = [units[:, 0] - got.theta * units[:, 1] for units in (control, treatment)]
    want = stats.ttest_ind(left[1] + 0.2, left[0], equal_var=False, alternative="greater")
    assert bounds.p_value == pytest.approx(want.pvalue, rel=1e-9)


def arm(seed: int, n: int, *, effect: float = 0.0) -> Units:
    """Outcome and covariate with correlation 0.6."""
    rng = np.random.default_rng(seed)
    before = rng.normal(size=n)
    during = 5 + effect + 0.6 * before + 0.8 * rng.normal(size=n)
    return np.column_stack((during, 3 + before))


def ratio_arm(seed: int, n: int) -> Units:
    """Clicks and views during and before; units keep their click rate."""
    rng = np.random.default_rng(seed)
    rate = rng.beta(2, 6, size=n)
    views = rng.integers(1, 20, size=(2, n))
    clicks = rng.binomial(views, rate)
    return np.column_stack((clicks[0], views[0], clicks[1], views[1])).astype(np.float64)


def ratios(arms: Sequence[Units]) -> Cuped:
    got = cuped_of_ratios([vector_moments_of(units) for units in arms])
    assert isinstance(got, Cuped), got
    return got


def difference(got: Cuped) -> Estimate:
    found = difference_in_means(*(one.adjusted for one in got.arms))
    assert isinstance(found, Estimate), found
    return found


def from_sums(n: int, y: float, yy: float, x: float, xx: float, xy: float) -> VectorMoments:
    cross = xy - x * y / n
    return VectorMoments(n=n, mean=(y / n, x / n), cross=((yy - y * y / n, cross), (cross, xx - x * x / n)))
