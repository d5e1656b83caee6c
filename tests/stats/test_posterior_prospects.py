"""What a posterior rule does to equal and to better versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.normal_posterior import NormalPrior, effect_posterior
from abflow.stats.posterior_looks import PosteriorRule, posterior_rule, posterior_word
from abflow.stats.posterior_prospects import PosteriorPlan, promotion_rate, prospects
from abflow.stats.result import Unavailable

DAILY = tuple(day / 21 for day in range(1, 22))
# Effect over standard error with which a two-sided test at .05 has power .80.
MDE = 1.959964 + 0.841621


def test_one_look_is_the_fixed_test() -> None:
    got = prospects(plan(posterior_rule(1, alpha=0.05), (1.0,)), effect=MDE)
    assert got.false_promotion_rate == pytest.approx(0.025, abs=1e-12)
    assert got.power == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("looks", [2, 3, 4, 5])
def test_calibrated_looks_promote_an_equal_version_one_time_in_forty(looks: int) -> None:
    # One side of Pocock's two-sided .05; somebody who goes on after a loss wins a hair more often.
    fractions = tuple(look / looks for look in range(1, looks + 1))
    alone = promotion_rate(plan(posterior_rule(looks, alpha=0.05), fractions), effect=0.0)
    assert alone == pytest.approx(0.025, abs=1e-6)
    whole_rule = promotion_rate(plan(posterior_rule(looks, alpha=0.05, mde=MDE), fractions), effect=0.0)
    assert 0.024 < whole_rule < alone


def test_95_percent_at_21_daily_looks_promotes_an_equal_version_22_times_in_100() -> None:
    got = promotion_rate(plan(PosteriorRule(doubt=0.05), DAILY, losers_leave=False), effect=0.0)
    assert got == pytest.approx(0.22, abs=0.005)


def test_an_expected_loss_alone_promotes_an_equal_version_two_times_in_three() -> None:
    # Rates of .05, sized for a tenth more: the changed rate's variance makes the mde 2.867 standard errors.
    mde = MDE * math.sqrt((0.05 * 0.95 + 0.055 * 0.945) / 2 / (0.05 * 0.95))
    rule = PosteriorRule(doubt=0.5, max_loss=0.1 * mde)
    assert promotion_rate(plan(rule, DAILY, losers_leave=False), effect=0.0) == pytest.approx(0.67, abs=0.005)


@pytest.mark.parametrize("prior", [None, NormalPrior(sd=2.0), NormalPrior(mean=0.7, sd=1.5)])
@pytest.mark.parametrize("losers_leave", [True, False])
@pytest.mark.parametrize("effect", [0.0, MDE, -1.0])
def test_the_recursion_is_what_simulated_words_do(prior: NormalPrior | None, losers_leave: bool, effect: float) -> None:
    fractions, runs = (0.2, 0.35, 0.8, 1.0), 400_000
    rule = PosteriorRule(doubt=0.03, max_loss=0.02, mde=MDE, mde_doubt=0.1)
    planned = PosteriorPlan(rule=rule, fractions=fractions, se=1.0, prior=prior, losers_leave=losers_leave)
    steps = np.diff((0.0, *fractions))
    score = np.random.default_rng(5).normal(effect * steps, np.sqrt(steps), size=(runs, 4)).cumsum(axis=1)
    won = np.zeros(runs, dtype=bool)
    going = np.ones(runs, dtype=bool)
    for look, fraction in enumerate(fractions):
        wins, leaves = words(score[:, look] / fraction, fraction**-0.5, rule, prior)
        won |= going & wins
        going &= ~wins & ~(leaves & losers_leave)
    band = 4 * math.sqrt(0.25 / runs)
    assert promotion_rate(planned, effect=effect) == pytest.approx(won.mean(), abs=band)


def words(
    estimates: NDArray[np.float64], se: float, rule: PosteriorRule, prior: NormalPrior | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which estimates win and which leave, from the definition of the posterior and nothing else."""
    precision, weighted = se**-2, estimates * se**-2
    if prior is not None:
        precision, weighted = precision + prior.sd**-2, weighted + prior.mean * prior.sd**-2
    mean, sd = weighted / precision, precision**-0.5
    z = mean / sd
    loss = sd * (stats.norm.pdf(z) - z * stats.norm.sf(z))
    assert rule.max_loss is not None
    assert rule.mde is not None
    wins = (stats.norm.sf(z) <= rule.doubt) & (loss <= rule.max_loss)
    leaves = (stats.norm.cdf(z) <= rule.doubt) | (stats.norm.sf((rule.mde - mean) / sd) <= rule.mde_doubt)
    return wins, leaves


@pytest.mark.parametrize("prior", [None, NormalPrior(sd=0.8)])
@pytest.mark.parametrize("max_loss", [None, 1e-12, 1e-3, 0.4])
def test_a_single_look_wins_from_where_its_word_changes(prior: NormalPrior | None, max_loss: float | None) -> None:
    rule = PosteriorRule(doubt=0.2, max_loss=max_loss)
    chance = promotion_rate(PosteriorPlan(rule=rule, fractions=(1.0,), se=0.5, prior=prior), effect=0.0)
    edge = 0.5 * float(stats.norm.isf(chance))
    for estimate, word in ((edge + 1e-7, "better"), (edge - 1e-7, "unclear")):
        posterior = effect_posterior(estimate, 0.5, prior=prior)
        assert not isinstance(posterior, Unavailable)
        assert posterior_word(posterior, rule).word == word


def test_a_sceptical_prior_promotes_less_and_a_wide_one_the_same() -> None:
    rule = posterior_rule(3, alpha=0.05, mde=MDE)
    fractions = (1 / 3, 2 / 3, 1.0)
    flat = prospects(plan(rule, fractions), effect=MDE)
    sceptical = prospects(plan(rule, fractions, prior=NormalPrior(sd=MDE / 2)), effect=MDE)
    assert sceptical.false_promotion_rate < flat.false_promotion_rate
    assert sceptical.power < flat.power
    wide = prospects(plan(rule, fractions, prior=NormalPrior(sd=1e6)), effect=MDE)
    assert wide.power == pytest.approx(flat.power, abs=1e-9)


def test_the_unit_of_the_effect_does_not_matter() -> None:
    plain = PosteriorPlan(rule=posterior_rule(4, alpha=0.05, mde=2.0), fractions=(0.1, 0.4, 0.9, 1.1), se=1.0)
    cents = PosteriorPlan(rule=posterior_rule(4, alpha=0.05, mde=200.0), fractions=plain.fractions, se=100.0)
    assert promotion_rate(cents, effect=200.0) == pytest.approx(promotion_rate(plain, effect=2.0))


@pytest.mark.parametrize("se", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_standard_error_is_refused(se: float) -> None:
    with pytest.raises(SpecError, match="standard error"):
        PosteriorPlan(rule=PosteriorRule(doubt=0.05), fractions=(1.0,), se=se)


@pytest.mark.parametrize("fractions", [(), (0.5, 0.5), (0.0, 1.0), (-0.5, 1.0), (1.0, 0.5)])
def test_impossible_looks_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(SpecError):
        promotion_rate(plan(PosteriorRule(doubt=0.05), fractions), effect=0.0)


def plan(
    rule: PosteriorRule, fractions: tuple[float, ...], *, prior: NormalPrior | None = None, losers_leave: bool = True
) -> PosteriorPlan:
    """A plan whose standard error at the end is 1."""
    return PosteriorPlan(rule=rule, fractions=fractions, se=1.0, prior=prior, losers_leave=losers_leave)
