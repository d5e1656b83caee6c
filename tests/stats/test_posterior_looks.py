"""Words from posteriors at pre-registered looks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.beta_binomial import RateDifference
from abflow.stats.beta_posterior import BetaPosterior
from abflow.stats.normal_posterior import NormalPosterior
from abflow.stats.posterior_looks import PosteriorRule, look_threshold, posterior_rule, posterior_word


@pytest.mark.parametrize(("looks", "constant"), [(1, 1.959964), (2, 2.1783), (3, 2.2895), (4, 2.3613), (5, 2.4132)])
def test_the_threshold_is_the_normal_probability_of_pococks_constant(looks: int, constant: float) -> None:
    # Constants of Jennison and Turnbull (2000), table 2.1.
    got = look_threshold(looks, alpha=0.05)
    assert got == pytest.approx(0.5 * math.erfc(-constant / math.sqrt(2)), abs=2e-6)


def test_the_thresholds_of_one_to_five_looks() -> None:
    got = [look_threshold(looks, alpha=0.05) for looks in range(1, 6)]
    assert got == pytest.approx([0.975, 0.9853, 0.9890, 0.9909, 0.9921], abs=5e-5)


def test_more_looks_and_more_arms_ask_for_more() -> None:
    assert look_threshold(6, alpha=0.05) > look_threshold(5, alpha=0.05)
    assert look_threshold(3, alpha=0.05 / 3) > look_threshold(3, alpha=0.05)


@pytest.mark.parametrize(
    ("mean", "word", "excluded"),
    [
        (1.97, "better", False),
        (1.95, "unclear", False),
        (-1.95, "unclear", True),
        (-1.97, "worse", True),
        (0.839, "unclear", True),
        (0.841, "unclear", False),
    ],
)
def test_words_change_where_the_thresholds_are(mean: float, word: str, excluded: bool) -> None:
    # One look, alpha .05: 1.96 standard deviations; the mde 2.8 is excluded below 2.8 - 1.96 = .84.
    got = posterior_word(NormalPosterior(mean=mean, sd=1.0), posterior_rule(1, alpha=0.05, mde=2.8))
    assert (got.word, got.mde_excluded) == (word, excluded)


def test_a_win_that_may_cost_more_than_a_tenth_of_the_mde_is_unclear() -> None:
    # At 2 standard deviations the loss is .0085 of one: a tenth of .085.
    posterior = NormalPosterior(mean=2.0, sd=1.0)
    assert posterior_word(posterior, posterior_rule(1, alpha=0.05, mde=0.084)).word == "unclear"
    assert posterior_word(posterior, posterior_rule(1, alpha=0.05, mde=0.086)).word == "better"


def test_a_small_win_can_exclude_the_mde_as_well() -> None:
    got = posterior_word(NormalPosterior(mean=2.5, sd=1.0), posterior_rule(1, alpha=0.05, mde=5.0))
    assert (got.word, got.mde_excluded) == ("better", True)


def test_without_an_mde_nothing_is_excluded_however_bad_it_is() -> None:
    for mde, doubt in ((None, 0.0), (1.0, 0.0), (None, 0.025)):
        rule = PosteriorRule(doubt=0.025, mde=mde, mde_doubt=doubt)
        assert not posterior_word(NormalPosterior(mean=-1e6, sd=1.0), rule).mde_excluded


def test_rates_earn_their_words_by_the_same_rule() -> None:
    rule = posterior_rule(1, alpha=0.05, mde=0.05)
    posterior = RateDifference(control=BetaPosterior(a=101, b=901), treatment=BetaPosterior(a=151, b=851))
    assert posterior_word(posterior, rule).word == "better"
    assert posterior_word(posterior.reversed, rule).word == "worse"


@given(st.floats(-5, 5), st.floats(0.1, 3), st.integers(1, 6), st.floats(0.1, 5))
def test_turning_the_effect_round_never_gives_a_word_twice(mean: float, sd: float, looks: int, mde: float) -> None:
    rule = posterior_rule(looks, alpha=0.05, mde=mde)
    posterior = NormalPosterior(mean=mean, sd=sd)
    there, back = posterior_word(posterior, rule).word, posterior_word(posterior.reversed, rule).word
    assert not (there == back != "unclear")
    if there == "better":
        assert back == "worse"


@pytest.mark.parametrize("doubt", [0.0, -0.1, 0.6, math.nan])
def test_an_impossible_threshold_is_refused(doubt: float) -> None:
    with pytest.raises(SpecError, match=r"between 0\.5 and 1"):
        PosteriorRule(doubt=doubt)


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan])
def test_a_size_without_a_good_side_is_refused(size: float) -> None:
    with pytest.raises(SpecError, match="turn the effect"):
        posterior_rule(1, alpha=0.05, mde=size)
    with pytest.raises(SpecError, match="turn the effect"):
        PosteriorRule(doubt=0.05, max_loss=size)


def test_looks_and_levels_must_be_possible() -> None:
    with pytest.raises(SpecError):
        look_threshold(0, alpha=0.05)
    with pytest.raises(SpecError):
        look_threshold(1, alpha=2.0)
