"""Normal posteriors, flat and informed."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig, GaussianPrior
from gbstats.models.statistics import SampleMeanStatistic
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.means import difference_in_means
from abflow.stats.moments import EMPTY, Moments, moments_of
from abflow.stats.normal_posterior import (
    NormalPosterior,
    NormalPrior,
    effect_posterior,
    lift_posterior,
    lift_prior,
    unit_normal_loss,
)
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

# gbstats (GrowthBook), tests of its mean metric: n, sum and sum of squares of each arm.
CONTROL, TREATMENT = (3407, 1396.87, 52377.9767), (3461, 2422.7, 134698.29)
values = st.floats(-100, 100)
spreads = st.floats(0.01, 100)


@pytest.mark.parametrize("lift_sd", [None, 0.05, 0.3])
def test_effect_chance_and_losses_are_those_of_growthbook(lift_sd: float | None) -> None:
    control, treatment = moments(CONTROL), moments(TREATMENT)
    effect = difference_in_means(control, treatment)
    assert isinstance(effect, Estimate)
    prior = None if lift_sd is None else believed(lift_prior(lift_sd, control_mean=control.mean))
    agrees(known(effect_posterior(effect.value, effect.se, prior=prior)), growthbook("absolute", lift_sd))


@pytest.mark.parametrize("lift_sd", [None, 0.05, 0.3])
def test_the_posterior_of_the_lift_is_growthbooks(lift_sd: float | None) -> None:
    got = known(lift_posterior(moments(CONTROL), moments(TREATMENT), lift_sd=lift_sd))
    agrees(got, growthbook("relative", lift_sd))


def test_a_flat_prior_reads_like_the_one_sided_p_value() -> None:
    got = known(effect_posterior(1.959964, 1.0))
    assert got.probability_below() == pytest.approx(0.025, abs=1e-7)
    assert got.interval() == pytest.approx((0.0, 2 * 1.959964), abs=1e-6)


@pytest.mark.parametrize(
    ("z", "loss"), [(0.0, 0.3989), (0.5, 0.1978), (1.0, 0.08332), (2.0, 0.008491), (3.0, 0.0003822), (4.0, 0.000007145)]
)
def test_the_unit_normal_loss_is_that_of_the_published_table(z: float, loss: float) -> None:
    # Raiffa, Schlaifer (1961), table II; the same as "unit normal loss integral" in textbooks of decision analysis.
    assert unit_normal_loss(z) == pytest.approx(loss, rel=6e-4)


@pytest.mark.parametrize("z", [12.0, 20.0, 30.0, 37.0])
def test_far_out_the_loss_keeps_its_digits(z: float) -> None:
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    series = sum((-1) ** k * math.prod(range(1, 2 * k + 2, 2)) / z ** (2 * k) for k in range(9))
    assert unit_normal_loss(z) == pytest.approx(density / (z * z) * series, rel=1e-8, abs=0)


@given(values, spreads)
def test_losses_differ_by_the_mean(mean: float, sd: float) -> None:
    got = NormalPosterior(mean=mean, sd=sd)
    assert got.loss_of_keeping - got.loss_of_choosing == pytest.approx(mean, abs=1e-12 * (abs(mean) + sd))
    assert got.reversed.loss_of_choosing == got.loss_of_keeping
    assert got.probability_above(1.0) == pytest.approx(got.reversed.probability_below(-1.0))


@given(values, spreads, values, spreads, spreads)
def test_learning_in_two_steps_is_learning_at_once(
    first: float, first_se: float, second: float, second_se: float, prior_sd: float
) -> None:
    prior = NormalPrior(mean=1.0, sd=prior_sd)
    between = known(effect_posterior(first, first_se, prior=prior))
    steps = known(effect_posterior(second, second_se, prior=NormalPrior(mean=between.mean, sd=between.sd)))
    weights = (first_se**-2, second_se**-2)
    pooled = (weights[0] * first + weights[1] * second) / sum(weights)
    once = known(effect_posterior(pooled, sum(weights) ** -0.5, prior=prior))
    assert (steps.mean, steps.sd) == pytest.approx((once.mean, once.sd), rel=1e-9, abs=1e-9)


@given(values, spreads, spreads)
def test_a_prior_draws_the_effect_towards_itself_and_a_wide_one_hardly(value: float, se: float, sd: float) -> None:
    got = known(effect_posterior(value, se, prior=NormalPrior(sd=sd)))
    assert abs(got.mean) <= abs(value)
    assert got.sd < min(se, sd)
    wide = known(effect_posterior(value, se, prior=NormalPrior(sd=1e12)))
    assert (wide.mean, wide.sd) == pytest.approx((value, se), abs=1e-9)


@given(values, spreads, spreads, st.sampled_from([1e-9, 7.0, 1e9]))
def test_the_currency_does_not_matter(value: float, se: float, sd: float, by: float) -> None:
    plain = known(effect_posterior(value, se, prior=NormalPrior(sd=sd)))
    scaled = known(effect_posterior(value * by, se * by, prior=NormalPrior(sd=sd * by)))
    assert scaled.probability_above() == pytest.approx(plain.probability_above(), rel=1e-9, abs=1e-300)
    assert scaled.loss_of_choosing == pytest.approx(plain.loss_of_choosing * by, rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(
    ("value", "se", "reason"),
    [
        (1.0, 0.0, UnavailableReason.NO_VARIANCE),
        (math.nan, 1.0, UnavailableReason.NOT_FINITE),
        (1.0, math.inf, UnavailableReason.NOT_FINITE),
    ],
)
def test_an_estimate_that_says_nothing_has_no_posterior(value: float, se: float, reason: UnavailableReason) -> None:
    got = effect_posterior(value, se)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


@pytest.mark.parametrize(
    ("control_mean", "reason"),
    [
        (0.0, UnavailableReason.BASELINE_NEAR_ZERO),
        (-2.0, UnavailableReason.METHOD_NOT_VALID_HERE),
        (math.nan, UnavailableReason.NOT_FINITE),
    ],
)
def test_a_prior_on_the_lift_needs_something_to_lift(control_mean: float, reason: UnavailableReason) -> None:
    got = lift_prior(0.05, control_mean=control_mean)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    got_lift = lift_posterior(EMPTY, moments_of(range(20)), lift_sd=0.05)
    assert isinstance(got_lift, Unavailable)


@pytest.mark.parametrize("sd", [0.0, -0.1, math.nan, math.inf])
def test_an_impossible_prior_is_refused(sd: float) -> None:
    with pytest.raises(SpecError, match="flat one"):
        lift_prior(sd, control_mean=1.0)
    with pytest.raises(SpecError, match="flat one"):
        lift_posterior(moments(CONTROL), moments(TREATMENT), lift_sd=sd)
    with pytest.raises(SpecError, match="effect_posterior"):
        NormalPosterior(mean=0.0, sd=sd)


def test_a_threshold_must_be_a_number() -> None:
    with pytest.raises(SpecError, match="not a finite number"):
        NormalPosterior(mean=0.0, sd=1.0).probability_above(math.nan)


def growthbook(difference: Literal["absolute", "relative"], lift_sd: float | None) -> Any:
    arms = [SampleMeanStatistic(n=n, sum=total, sum_squares=squares) for n, total, squares in (CONTROL, TREATMENT)]
    prior = GaussianPrior(variance=(lift_sd or 1) ** 2, proper=lift_sd is not None)
    config = EffectBayesianConfig(difference_type=difference, prior_type="relative", prior_effect=prior)
    return EffectBayesianABTest(*arms, config).compute_result()


def agrees(got: NormalPosterior, want: Any) -> None:
    assert (got.mean, got.sd) == pytest.approx((want.uplift.mean, want.uplift.stddev), rel=1e-9)
    assert got.probability_above() == pytest.approx(want.chance_to_win, rel=1e-9)
    assert got.interval() == pytest.approx(tuple(want.ci), rel=1e-9)
    assert (got.loss_of_keeping, got.loss_of_choosing) == pytest.approx(tuple(want.risk), rel=1e-9)


def moments(arm: tuple[int, float, float]) -> Moments:
    n, total, squares = arm
    return Moments(n=n, mean=total / n, m2=squares - total * total / n)


def believed(got: NormalPrior | Unavailable) -> NormalPrior:
    assert isinstance(got, NormalPrior), got
    return got


def known(got: NormalPosterior | Unavailable) -> NormalPosterior:
    assert isinstance(got, NormalPosterior), got
    return got
