"""Effects by day, of the same units and of cohorts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.means import difference_in_means
from abflow.stats.moments import moments_of
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.trends import DailyMoments, Trend, trend_of_cohorts, trend_of_same_units

seeds = st.integers(0, 10_000)


@given(seeds)
def test_the_slope_is_welchs_test_of_the_slopes_of_the_units(seed: int) -> None:
    # By numpy and scipy: fit a line to every unit, then compare the arms' slopes.
    control, treatment = habits(seed, units=40), habits(seed + 1, units=60, effect=0.2)
    got = seen(trend_of_same_units(daily(control), daily(treatment)))
    slopes = [np.polyfit(np.arange(control.shape[1]), arm.T, 1)[0] for arm in (control, treatment)]
    want = stats.ttest_ind(slopes[1], slopes[0], equal_var=False)
    interval = want.confidence_interval()
    slope = estimated(got.slope)
    assert slope.value == pytest.approx(slopes[1].mean() - slopes[0].mean())
    assert slope.p_value == pytest.approx(want.pvalue, rel=1e-6)
    assert (slope.lower, slope.upper) == pytest.approx((interval.low, interval.high))
    for day, effect in enumerate(got.effects):
        plain = difference_in_means(moments_of(control[:, day]), moments_of(treatment[:, day]))
        assert estimated(effect).p_value == pytest.approx(estimated(plain).p_value)


@given(seeds)
def test_flatness_on_two_days_is_the_test_of_their_difference(seed: int) -> None:
    control, treatment = habits(seed, units=30)[:, :2], habits(seed + 1, units=50)[:, :2]
    got = seen(trend_of_same_units(daily(control), daily(treatment)))
    want = stats.ttest_ind(treatment[:, 1] - treatment[:, 0], control[:, 1] - control[:, 0], equal_var=False)
    assert got.flat_p == pytest.approx(want.pvalue, rel=1e-6)
    assert estimated(got.slope).p_value == pytest.approx(want.pvalue, rel=1e-6)


def test_flatness_with_equal_covariances_is_hotellings_test() -> None:
    # Hotelling's two-sample T² by hand; with equal sizes and covariances the degrees of freedom are 2 (n - 1).
    values = habits(5, units=80)
    shifted = values + np.array([0.0, 0.1, 0.25, 0.1, 0.0])
    got = seen(trend_of_same_units(daily(values), daily(shifted)))
    steps = np.diff(values, axis=1)
    n, p = steps.shape
    change = np.diff([0.0, 0.1, 0.25, 0.1, 0.0])
    t2 = n / 2 * change @ np.linalg.solve(np.cov(steps, rowvar=False), change)
    dof = 2 * (n - 1)
    assert got.flat_p == pytest.approx(stats.f.sf(t2 * (dof - p + 1) / (dof * p), p, dof - p + 1))


@given(seeds, st.sampled_from([1e-6, 3.0, 1e6]))
def test_neither_the_currency_nor_a_common_effect_nor_the_arms_order_matter(seed: int, by: float) -> None:
    control, treatment = habits(seed, units=40), habits(seed + 1, units=60)
    plain = seen(trend_of_same_units(daily(control), daily(treatment)))
    scaled = seen(trend_of_same_units(daily(control * by), daily((treatment + 5) * by)))
    swapped = seen(trend_of_same_units(daily(treatment), daily(control), sign=-1))
    for other in (scaled, swapped):
        assert estimated(other.slope).p_value == pytest.approx(estimated(plain.slope).p_value, rel=1e-6)
        assert other.flat_p == pytest.approx(plain.flat_p, rel=1e-5)
        assert other.direction == plain.direction


def test_days_may_lie_apart_and_be_counted_from_anywhere() -> None:
    control, treatment = daily(habits(1, units=40)), daily(habits(2, units=40))
    plain = seen(trend_of_same_units(control, treatment))
    weeks = seen(trend_of_same_units(control, treatment, days=[107, 114, 121, 128, 135]))
    assert estimated(weeks.slope).value == pytest.approx(estimated(plain.slope).value / 7)
    assert estimated(weeks.slope).p_value == pytest.approx(estimated(plain.slope).p_value)
    assert weeks.flat_p == plain.flat_p


def test_novelty_wears_off_and_habits_grow() -> None:
    control = habits(3, units=400)
    fading, growing = (habits(4, units=400) + np.array(effect) for effect in (NOVELTY, NOVELTY[::-1]))
    assert seen(trend_of_same_units(daily(control), daily(fading))).direction == "wears off"
    assert seen(trend_of_same_units(daily(control), daily(growing))).direction == "grows"
    # Of a metric whose decrease is good, a rise that fades is a harm that users get over.
    assert seen(trend_of_same_units(daily(control), daily(fading), sign=-1)).direction == "grows"
    assert seen(trend_of_same_units(daily(control), daily(control + 1))).direction == "no trend shown"


def test_a_pattern_without_a_slope_is_still_not_flat() -> None:
    bump = habits(6, units=400) + np.array([0.0, 0.5, 1.0, 0.5, 0.0])
    got = seen(trend_of_same_units(daily(habits(7, units=400)), daily(bump)))
    assert got.direction == "no trend shown"
    assert isinstance(got.flat_p, float)
    assert got.flat_p < 1e-6


def test_days_that_repeat_one_another_leave_the_slope_and_say_so() -> None:
    control, treatment = (habits(seed, units=50)[:, [0, 1, 1, 2]] for seed in (1, 2))
    got = seen(trend_of_same_units(daily(control), daily(treatment)))
    assert isinstance(got.flat_p, Unavailable)
    assert got.flat_p.reason is UnavailableReason.NO_VARIANCE
    assert estimated(got.slope).p_value > 0


def test_units_that_never_change_have_no_slope() -> None:
    level = np.random.default_rng(1).normal(size=(50, 1)) @ np.ones((1, 4))
    got = seen(trend_of_same_units(daily(level), daily(level + 0.1)))
    assert isinstance(got.slope, Unavailable)
    assert got.slope.reason is UnavailableReason.NO_VARIANCE
    assert got.direction == "no trend shown"
    assert isinstance(got.flat_p, Unavailable)


def test_more_days_than_the_units_can_tell_leave_the_slope() -> None:
    rng = np.random.default_rng(8)
    got = seen(trend_of_same_units(daily(rng.normal(size=(12, 12))), daily(rng.normal(size=(40, 12)))))
    assert isinstance(got.flat_p, Unavailable)
    assert got.flat_p.reason is UnavailableReason.TOO_FEW_UNITS
    assert estimated(got.slope).p_value > 0


def test_arms_that_cannot_be_compared_say_why() -> None:
    good = daily(habits(1, units=40))
    for n, mean, reason in (
        (0, np.zeros(5), UnavailableReason.NO_UNITS),
        (9, np.zeros(5), UnavailableReason.TOO_FEW_UNITS),
        (40, np.array([0, 1, math.nan, 1, 0]), UnavailableReason.NOT_FINITE),
    ):
        bad = DailyMoments(n=n, mean=mean, covariance=np.eye(5))
        for got in (trend_of_same_units(bad, good), trend_of_same_units(good, bad)):
            assert isinstance(got, Unavailable)
            assert got.reason is reason
            assert got.detail


def test_what_does_not_fit_together_is_refused() -> None:
    good = daily(habits(1, units=40))
    with pytest.raises(DataError, match="one row and column per day"):
        trend_of_same_units(good, DailyMoments(n=40, mean=np.zeros(5), covariance=np.eye(4)))
    with pytest.raises(DataError, match="two days or more"):
        trend_of_same_units(good, DailyMoments(n=40, mean=np.zeros(1), covariance=np.eye(1)))
    with pytest.raises(DataError, match="give the same days"):
        trend_of_same_units(good, DailyMoments(n=40, mean=np.zeros(4), covariance=np.eye(4)))
    with pytest.raises(DataError, match="5 different days"):
        trend_of_same_units(good, good, days=[1, 2, 2, 3, 4])
    with pytest.raises(SpecError, match=r"write 0\.95"):
        trend_of_same_units(good, good, confidence=0.05)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 2)), min_size=3, max_size=10))
def test_a_trend_of_cohorts_is_weighted_least_squares(pairs: list[tuple[float, float]]) -> None:
    # By numpy: a weighted fit with known errors; the covariance of its coefficients is not rescaled.
    y, se = np.array(pairs).T
    got = seen(trend_of_cohorts([estimate(*pair) for pair in pairs]))
    fit, covariance = np.polyfit(np.arange(len(y)), y, 1, w=1 / se, cov="unscaled")
    slope = estimated(got.slope)
    assert (slope.value, slope.se) == pytest.approx((fit[0], math.sqrt(covariance[0, 0])), rel=1e-6, abs=1e-9)
    assert slope.p_value == pytest.approx(2 * stats.norm.sf(abs(slope.value) / slope.se))
    level = np.average(y, weights=1 / se**2)
    assert got.flat_p == pytest.approx(stats.chi2.sf(np.sum(((y - level) / se) ** 2), len(y) - 1), rel=1e-6, abs=1e-12)


def test_a_day_without_an_effect_keeps_its_place() -> None:
    nothing = Unavailable(reason=UnavailableReason.NO_UNITS, detail="control has no units")
    days: list[Estimate | Unavailable] = [estimate(0.1, 0.1), nothing, estimate(0.5, 0.1), estimate(0.6, 0.1)]
    got = seen(trend_of_cohorts(days))
    whole = seen(trend_of_cohorts([days[0], *days[2:]], days=[1, 3, 4]))
    assert estimated(got.slope).value == pytest.approx(estimated(whole.slope).value)
    assert got.effects[1] == nothing
    too_few = trend_of_cohorts([days[0], nothing, estimate(0.5, 0.0)])
    assert isinstance(too_few, Unavailable)
    assert too_few.reason is UnavailableReason.TOO_FEW_UNITS


def test_tiny_errors_of_cohorts_do_not_overflow() -> None:
    days = [estimate(value * 1e-180, 1e-180) for value in (1.0, 2.0, 4.0)]
    plain = seen(trend_of_cohorts([estimate(value, 1.0) for value in (1.0, 2.0, 4.0)]))
    assert estimated(seen(trend_of_cohorts(days)).slope).p_value == pytest.approx(estimated(plain.slope).p_value)


NOVELTY = [1.0, 0.6, 0.4, 0.2, 0.1]


def habits(seed: int, *, units: int, effect: float = 0.0) -> NDArray[np.float64]:
    """Five days of units with a level and a drift of their own."""
    rng = np.random.default_rng(seed)
    drift = rng.normal(scale=0.2, size=(units, 1)) * np.arange(5)
    return np.asarray(rng.normal(size=(units, 1)) + drift + rng.normal(size=(units, 5)) + effect)


def daily(values: NDArray[np.float64]) -> DailyMoments:
    return DailyMoments(n=len(values), mean=values.mean(axis=0), covariance=np.cov(values, rowvar=False))


def estimate(value: float, se: float) -> Estimate:
    return Estimate(value=value, se=se, lower=value - se, upper=value + se, p_value=0.5, confidence=0.95, method="z")


def seen(got: Trend | Unavailable) -> Trend:
    assert isinstance(got, Trend), got
    return got


def estimated(got: Estimate | Unavailable) -> Estimate:
    assert isinstance(got, Estimate), got
    return got


def test_no_cohorts_have_no_trend() -> None:
    got = trend_of_cohorts([])
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.TOO_FEW_UNITS
