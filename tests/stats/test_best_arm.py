"""Ranking several arms."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.best_arm import Standing, best_arm
from abflow.stats.beta_binomial import RateDifference
from abflow.stats.beta_posterior import BetaPosterior
from abflow.stats.marginal import Marginal
from abflow.stats.normal_posterior import NormalPosterior
from abflow.stats.result import Unavailable, UnavailableReason

bells = st.builds(NormalPosterior, mean=st.floats(-3, 3), sd=st.floats(-6, 3).map(lambda power: 10**power))
rates = st.builds(BetaPosterior, a=st.floats(0.5, 1e4), b=st.floats(0.5, 1e4))


def test_equal_spreads_give_the_known_chances() -> None:
    got = ranked({"a": normal(1, 0.5), "b": normal(2, 0.5), "c": normal(3, 0.5)})
    assert chances(got) == pytest.approx([0.001325, 0.078338, 0.920337], abs=5e-7)


def test_spreads_that_differ_thirtyfold_give_the_known_chances() -> None:
    got = ranked({"a": normal(0, 0.05), "b": normal(0.5, 0.5), "c": normal(1, 1.5)})
    assert chances(got) == pytest.approx([0.04064, 0.34334, 0.61602], abs=5e-6)


def test_spreads_that_differ_a_billionfold_are_resolved() -> None:
    # Seen from the wide arm the narrow ones are points: it is best with P(wide > 1) = P(Z > 0).
    got = ranked({"wide": normal(1, 1e3), "one": normal(1, 1e-6), "other": normal(1, 1e-6)})
    assert chances(got) == pytest.approx([0.5, 0.25, 0.25], abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(bells, bells)
def test_of_two_normals_it_is_the_chance_and_loss_of_their_difference(
    one: NormalPosterior, two: NormalPosterior
) -> None:
    got = ranked({"control": one, "treatment": two})
    difference = NormalPosterior(mean=two.mean - one.mean, sd=(one.sd**2 + two.sd**2) ** 0.5)
    wanted = (difference.probability_below(), difference.probability_above())
    assert chances(got) == pytest.approx(wanted, rel=1e-6, abs=1e-12)
    assert got["control"].expected_loss == pytest.approx(difference.loss_of_keeping, rel=1e-6, abs=1e-14)
    assert got["treatment"].expected_loss == pytest.approx(difference.loss_of_choosing, rel=1e-6, abs=1e-14)


@settings(max_examples=50, deadline=None)
@given(rates, rates)
def test_of_two_rates_it_is_the_exact_chance_and_loss(one: BetaPosterior, two: BetaPosterior) -> None:
    got = ranked({"control": one, "treatment": two})
    difference = RateDifference(control=one, treatment=two)
    assert chances(got) == pytest.approx((difference.probability_below(), difference.probability_above()), abs=1e-11)
    assert got["treatment"].expected_loss == pytest.approx(difference.loss_of_choosing, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(bells, min_size=2, max_size=6))
def test_the_chances_of_all_normals_add_up_to_one(arms: list[NormalPosterior]) -> None:
    got = ranked({str(i): arm for i, arm in enumerate(arms)})
    assert sum(chances(got)) == pytest.approx(1.0, abs=1e-10)
    # E max - E value: the losses differ by the means.
    for i, arm in enumerate(arms):
        gap = got[str(i)].expected_loss - got["0"].expected_loss
        assert gap == pytest.approx(arms[0].mean - arm.mean, abs=1e-9 * (1 + max(a.sd for a in arms)))


@settings(max_examples=50, deadline=None)
@given(st.lists(rates, min_size=2, max_size=6))
def test_the_chances_of_all_rates_add_up_to_one(arms: list[BetaPosterior]) -> None:
    got = ranked({str(i): arm for i, arm in enumerate(arms)})
    assert sum(chances(got)) == pytest.approx(1.0, abs=1e-10)
    assert all(0 <= standing.expected_loss <= 1 for standing in got.values())


def test_equal_arms_share_the_chance() -> None:
    got = ranked({str(i): BetaPosterior(a=3, b=97) for i in range(7)})
    assert chances(got) == pytest.approx([1 / 7] * 7)


def test_the_largest_of_uniform_rates_is_known() -> None:
    # The largest of 4 uniforms is 4/5 on average, each of them 1/2.
    got = ranked({str(i): BetaPosterior(a=1, b=1) for i in range(4)})
    assert got["0"].expected_loss == pytest.approx(4 / 5 - 1 / 2, abs=1e-13)


def test_one_arm_has_no_rival() -> None:
    got = best_arm({"a": normal(0, 1)})
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE


def test_rates_and_means_cannot_be_ranked_together() -> None:
    with pytest.raises(SpecError, match="in the same way"):
        best_arm({"a": normal(0, 1), "b": BetaPosterior(a=1, b=1)})


def normal(mean: float, sd: float) -> NormalPosterior:
    return NormalPosterior(mean=mean, sd=sd)


def chances(standings: dict[str, Standing]) -> list[float]:
    return [standing.probability_best for standing in standings.values()]


def ranked(posteriors: Mapping[str, Marginal]) -> dict[str, Standing]:
    got = best_arm(posteriors)
    assert not isinstance(got, Unavailable), got
    return got
