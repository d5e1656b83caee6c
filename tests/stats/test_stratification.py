"""Post-stratification against least squares, and what it is for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from abflow.errors import SpecError
from abflow.stats.means import difference_in_means, difference_in_ratios
from abflow.stats.moments import EMPTY, JointMoments, Moments, joint_moments_of, moments_of
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.stratification import (
    StratifiedEstimate,
    Stratum,
    stratified_difference,
    stratified_ratio_difference,
)

Floats = NDArray[np.float64]


def test_it_is_least_squares_with_an_effect_of_its_own_in_every_stratum() -> None:
    day, arm, value = experiment(seed=1, units=900)
    got = estimated(stratified_difference(strata_of(day, arm, value))).estimate
    # One coefficient per day and one effect per day; HC2 errors are exact for cell means.
    design = np.column_stack([(day == d) for d in range(3)] + [(day == d) * arm for d in range(3)]).astype(float)
    fit = sm.OLS(value, design).fit(cov_type="HC2")
    want = fit.t_test(np.concatenate((np.zeros(3), np.bincount(day) / len(day))))
    assert got.value == pytest.approx(want.effect.item(), rel=1e-9)
    assert got.se == pytest.approx(want.sd.item(), rel=1e-9)


def test_one_stratum_is_the_plain_difference() -> None:
    control, treatment = moments_of([3.0, 5.0, 1.0] * 10), moments_of([4.0, 9.0, 1.0] * 12)
    got = estimated(stratified_difference([Stratum(name="all", control=control, treatment=treatment)])).estimate
    plain = difference_in_means(control, treatment)
    assert isinstance(plain, Estimate)
    assert (got.value, got.se, got.lower, got.upper, got.p_value) == pytest.approx(
        (plain.value, plain.se, plain.lower, plain.upper, plain.p_value)
    )


def test_strata_that_differ_take_their_variance_with_them() -> None:
    day, arm, value = experiment(seed=2, units=4000)
    got = estimated(stratified_difference(strata_of(day, arm, value))).estimate
    plain = difference_in_means(moments_of(value[arm == 0]), moments_of(value[arm == 1]))
    assert isinstance(plain, Estimate)
    # Days lie 3 apart, units of a day 1: most of the variance is between days.
    assert got.se < 0.45 * plain.se


def test_it_is_unbiased_and_honest_about_its_error() -> None:
    errors, covered, runs = [], 0, 400
    for seed in range(runs):
        day, arm, value = experiment(seed=seed, units=120, effect=0.5)
        got = estimated(stratified_difference(strata_of(day, arm, value))).estimate
        errors.append(got.value - 0.5)
        covered += got.lower < 0.5 < got.upper
    assert np.mean(errors) == pytest.approx(0, abs=3.29 * np.std(errors) / runs**0.5)
    assert covered / runs == pytest.approx(0.95, abs=3.29 * (0.95 * 0.05 / runs) ** 0.5)


def test_an_effect_that_differs_by_stratum_is_weighted_by_both_arms_units() -> None:
    strata = [
        Stratum(name="mobile", control=spread(0.0, 30), treatment=spread(1.0, 90)),
        Stratum(name="desktop", control=spread(5.0, 60), treatment=spread(8.0, 20)),
    ]
    got = estimated(stratified_difference(strata)).estimate
    assert got.value == pytest.approx((120 * 1.0 + 80 * 3.0) / 200)


@settings(deadline=None)
@given(st.permutations(range(3)))
def test_the_order_of_the_strata_does_not_matter(order: Sequence[int]) -> None:
    strata = strata_of(*experiment(seed=1, units=300))
    want = estimated(stratified_difference(strata)).estimate
    got = estimated(stratified_difference([strata[i] for i in order])).estimate
    assert (got.value, got.se, got.p_value) == pytest.approx((want.value, want.se, want.p_value))


@settings(deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(0.01, 100))
def test_the_unit_of_the_metric_does_not_matter(shift: float, by: float) -> None:
    day, arm, value = experiment(seed=1, units=300)
    want = estimated(stratified_difference(strata_of(day, arm, value))).estimate
    got = estimated(stratified_difference(strata_of(day, arm, by * (value + shift)))).estimate
    assert (got.value, got.se) == pytest.approx((by * want.value, by * want.se), rel=1e-6, abs=1e-9 * by)


def test_a_stratum_with_one_unit_in_an_arm_is_left_out_and_named() -> None:
    strata = strata_of(*experiment(seed=1, units=300))
    lone = Stratum(name="last day", control=moments_of([1.0]), treatment=moments_of([900.0, 2.0]))
    got = estimated(stratified_difference([*strata, lone]))
    assert got.estimate == estimated(stratified_difference(strata)).estimate
    assert (got.strata, got.dropped, got.dropped_share) == (3, ("last day",), 3 / 303)


def test_two_units_in_an_arm_are_enough_to_stay() -> None:
    strata = strata_of(*experiment(seed=1, units=300))
    pair = Stratum(name="last day", control=moments_of([1.0, 3.0]), treatment=moments_of([4.0, 2.0]))
    got = estimated(stratified_difference([*strata, pair]))
    assert (got.strata, got.dropped, got.dropped_share) == (4, (), 0)


def test_too_many_left_out_are_refused() -> None:
    strata = strata_of(*experiment(seed=1, units=300))
    one_sided = Stratum(name="holiday", control=spread(1.0, 20), treatment=EMPTY)
    got = stratified_difference([*strata, one_sided])
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE
    assert "6.2%" in got.detail


def test_one_stratum_of_ratios_is_the_plain_difference_of_ratios() -> None:
    control, treatment = clicks(seed=1, units=300, rate=0.2), clicks(seed=2, units=250, rate=0.3)
    got = estimated(stratified_ratio_difference([Stratum(name="all", control=control, treatment=treatment)]))
    plain = difference_in_ratios(control, treatment)
    assert isinstance(plain, Estimate)
    assert (got.estimate.value, got.estimate.se, got.estimate.p_value) == pytest.approx(
        (plain.value, plain.se, plain.p_value)
    )


def test_ratios_of_averages_are_compared_and_not_averages_of_ratios() -> None:
    strata = ratio_strata()
    got = estimated(stratified_ratio_difference(strata)).estimate
    n = [stratum.n for stratum in strata]
    arms = [[getattr(stratum, side) for stratum in strata] for side in ("control", "treatment")]
    x, y = ([np.average([getattr(s, mean) for s in arm], weights=n) for arm in arms] for mean in ("mean_x", "mean_y"))
    assert got.value == pytest.approx(x[1] / y[1] - x[0] / y[0])
    of_ratios = np.average(
        [s.treatment.mean_x / s.treatment.mean_y - s.control.mean_x / s.control.mean_y for s in strata], weights=n
    )
    assert abs(got.value - of_ratios) > 0.01


def test_the_error_of_a_ratio_is_the_spread_of_its_estimates() -> None:
    got = [estimated(stratified_ratio_difference(ratio_strata(seed))).estimate for seed in range(0, 1200, 4)]
    assert np.mean([e.se for e in got]) == pytest.approx(np.std([e.value for e in got]), rel=0.1)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (EMPTY, EMPTY, UnavailableReason.NO_UNITS),
        (moments_of([1.0, 2.0, 3.0]), moments_of([1.0, 2.0, 3.0]), UnavailableReason.TOO_FEW_UNITS),
        (moments_of([1.0] * 20), moments_of([2.0] * 20), UnavailableReason.NO_VARIANCE),
        (moments_of([np.inf] * 20), moments_of(range(20)), UnavailableReason.NOT_FINITE),
    ],
)
def test_what_cannot_be_compared_says_why(control: Moments, treatment: Moments, reason: UnavailableReason) -> None:
    got = stratified_difference([Stratum(name="all", control=control, treatment=treatment)])
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_a_ratio_without_denominators_says_why() -> None:
    good, empty = clicks(seed=1, units=50, rate=0.2), joint_moments_of(np.ones(50), np.zeros(50))
    got = stratified_ratio_difference([Stratum(name="all", control=good, treatment=empty)])
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.ZERO_DENOMINATOR


def test_no_strata_are_no_units() -> None:
    got = stratified_difference([])
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_UNITS


def test_strata_of_one_name_are_refused() -> None:
    stratum = Stratum(name="monday", control=spread(1.0, 20), treatment=spread(1.0, 20))
    with pytest.raises(SpecError, match="one name"):
        stratified_difference([stratum, stratum])


def experiment(*, seed: int, units: int, effect: float = 0.0) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Day, arm and value per unit; the days' means lie 3 apart."""
    rng = np.random.default_rng(seed)
    day, arm = rng.integers(0, 3, size=units), rng.integers(0, 2, size=units)
    return day, arm, 3.0 * day + effect * arm + rng.normal(size=units)


def strata_of(day: NDArray[np.int64], arm: NDArray[np.int64], value: Floats) -> list[Stratum[Moments]]:
    return [
        Stratum(
            name=f"day {d}",
            control=moments_of(value[(day == d) & (arm == 0)]),
            treatment=moments_of(value[(day == d) & (arm == 1)]),
        )
        for d in range(3)
    ]


def spread(mean: float, n: int) -> Moments:
    return moments_of(mean + np.resize([-1.0, 1.0], n))


def clicks(*, seed: int, units: int, rate: float, most: int = 20) -> JointMoments:
    rng = np.random.default_rng(seed)
    views = rng.integers(1, most, size=units)
    return joint_moments_of(rng.binomial(views, rng.beta(10 * rate, 10 - 10 * rate, size=units)), views)


def ratio_strata(seed: int = 0) -> list[Stratum[JointMoments]]:
    heavy, light = (
        Stratum(
            name=name,
            control=clicks(seed=seed + 2 * i, units=200, rate=0.1, most=most),
            treatment=clicks(seed=seed + 2 * i + 1, units=200, rate=rate, most=most),
        )
        for i, (name, rate, most) in enumerate((("heavy", 0.2, 40), ("light", 0.5, 4)))
    )
    return [heavy, light]


def estimated(got: StratifiedEstimate | Unavailable) -> StratifiedEstimate:
    assert isinstance(got, StratifiedEstimate), got
    return got
