"""Shares of the next batch: probability matching, top two, floor, convergence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.moments import EMPTY, Moments
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.thompson import Allocation, play_shares, posterior_draws, thompson_allocation, with_floor

# Two standard errors of a share of 10 000 draws are a point; this is four.
NOISE = 0.02


def test_an_arm_is_played_as_often_as_it_is_likely_to_be_the_best() -> None:
    # P(Beta(52, 50) > Beta(50, 52)) = .61077 exactly, with flat priors on 49 and 51 of 100.
    got = allocated(thompson_allocation({"a": events(49, 100), "b": events(51, 100)}, kind="proportion", seed=1))
    assert got.p_best["b"] == pytest.approx(0.61077, abs=NOISE)
    assert got.best == "b"
    assert not got.converged


def test_beta_posteriors_have_a_flat_prior() -> None:
    # None of 2, and both of 3: Beta(1, 3) and Beta(3, 2).
    rng = np.random.default_rng(6)
    n, mean = np.array([2.0, 3.0]), np.array([0.0, 2 / 3])
    draws = posterior_draws(n, mean, np.zeros(2), kind="proportion", rng=rng, draws=40_000)
    assert draws.mean(axis=0) == pytest.approx([1 / 4, 3 / 5], abs=0.005)
    assert draws.var(axis=0) == pytest.approx([3 / 80, 1 / 25], rel=0.05)


@pytest.mark.parametrize(
    ("means", "sds", "p_best"),
    [
        ((1, 2, 3), (0.5, 0.5, 0.5), (0.001325, 0.078338, 0.920337)),
        ((0, 0.5, 1), (0.05, 0.5, 1.5), (0.04064, 0.34334, 0.61602)),
    ],
)
def test_normal_posteriors_agree_with_quadrature(
    means: tuple[float, ...], sds: tuple[float, ...], p_best: tuple[float, ...]
) -> None:
    arms = {name: known(mean, sd) for name, mean, sd in zip("abc", means, sds, strict=True)}
    got = allocated(thompson_allocation(arms, kind="mean", seed=3, floor=0))
    assert [got.weights[name] for name in "abc"] == pytest.approx(p_best, abs=NOISE)


def test_top_two_shares_are_those_of_drawing_again_until_another_arm_leads() -> None:
    # Russo's algorithm, step by step, against the shares worked out from one set of draws.
    rng = np.random.default_rng(5)
    centres, n = np.array([1.0, 1.3, 1.5]), 20_000

    def leader() -> int:
        return int(np.argmax(centres + rng.normal(scale=0.3, size=3)))

    played = np.zeros(3)
    for _ in range(n):
        arm = first = leader()
        if rng.random() < 0.5:
            while arm == first:
                arm = leader()
        played[arm] += 1
    got = play_shares(centres + rng.normal(scale=0.3, size=(100_000, 3)), rule="top_two")
    assert got == pytest.approx(played / n, abs=0.015)


def test_two_arms_are_played_half_and_half_by_top_two() -> None:
    arms = {"a": events(300, 1000), "b": events(310, 1000)}
    got = allocated(thompson_allocation(arms, kind="proportion", seed=1, rule="top_two"))
    assert got.weights == pytest.approx({"a": 0.5, "b": 0.5})


def test_the_runner_up_challenges_a_leader_whom_no_draw_doubts() -> None:
    arms = {"a": known(0.0, 0.1), "b": known(0.1, 0.1), "c": known(9.0, 0.1)}
    got = allocated(thompson_allocation(arms, kind="mean", seed=1, rule="top_two", floor=0))
    second = 0.5 * math.erfc(-0.1 / math.sqrt(2 * 0.02))  # P(b > a), a normal of mean .1 and variance .02
    assert got.weights["c"] == pytest.approx(0.5)
    assert got.weights["b"] == pytest.approx(0.5 * second, abs=NOISE)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda w: sum(w) > 0.01), st.floats(0, 0.6))
def test_every_arm_gets_the_floor_and_the_rest_is_shared(raw: list[float], floor: float) -> None:
    weights = np.array(raw) / sum(raw)
    got = with_floor(weights, floor)
    assert got.sum() == pytest.approx(1)
    if len(raw) * floor > 1:
        assert got == pytest.approx(np.full(len(raw), 1 / len(raw)))
    else:
        assert got == pytest.approx(floor + (1 - len(raw) * floor) * weights)
        assert got.min() >= floor - 1e-12


@given(st.integers(100, 5000), st.integers(100, 5000), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_the_order_of_the_arms_does_not_matter(n_a: int, n_b: int, rate_a: float, rate_b: float) -> None:
    a, b = events(round(n_a * rate_a), n_a), events(round(n_b * rate_b), n_b)
    there = thompson_allocation({"a": a, "b": b}, kind="proportion", seed=9)
    assert thompson_allocation({"b": b, "a": a}, kind="proportion", seed=9) == there
    assert sum(allocated(there).weights.values()) == pytest.approx(1)


@pytest.mark.parametrize("by", [1e-6, 3.0, 1e9])
def test_the_currency_does_not_matter(by: float) -> None:
    arms = {"a": known(5.0, 0.4), "b": known(5.5, 0.5)}
    plain = allocated(thompson_allocation(arms, kind="mean", seed=2))
    scaled = allocated(thompson_allocation({name: arm.scaled(by) for name, arm in arms.items()}, kind="mean", seed=2))
    assert scaled.weights == pytest.approx(plain.weights)
    assert scaled.value_remaining == pytest.approx(plain.value_remaining)


def test_less_is_better_when_the_sign_says_so() -> None:
    slow, fast = known(300.0, 4.0), known(290.0, 4.0)
    got = allocated(thompson_allocation({"a": slow, "b": fast}, kind="mean", seed=2, sign=-1))
    assert got.best == "b"
    assert got.p_best["b"] == pytest.approx(0.9615, abs=NOISE)  # a normal of mean 10 and variance 32 above 0


def test_the_same_seed_gives_the_same_shares_and_another_seed_others() -> None:
    arms = {"a": events(49, 100), "b": events(51, 100)}
    first = thompson_allocation(arms, kind="proportion", seed=1)
    assert thompson_allocation(arms, kind="proportion", seed=1) == first
    assert thompson_allocation(arms, kind="proportion", seed=2) != first


def test_value_remaining_is_what_the_other_arm_may_still_be_ahead() -> None:
    # The leader is known exactly: the other's lead is normal(-.1, .2), whose 95th percentile is .229.
    arms = {"a": known(10.0, 1e-6), "b": known(9.9, 0.2)}
    got = allocated(thompson_allocation(arms, kind="mean", seed=4))
    assert got.value_remaining == pytest.approx((1.6449 * 0.2 - 0.1) / 10, abs=0.0015)
    assert not got.converged


def test_a_clear_winner_converges() -> None:
    got = allocated(thompson_allocation({"a": events(100, 2000), "b": events(200, 2000)}, kind="proportion", seed=1))
    assert got.converged
    assert got.value_remaining == 0
    assert got.weights["a"] == pytest.approx(0.05)


def test_nothing_is_relative_to_a_mean_near_zero() -> None:
    got = allocated(thompson_allocation({"a": known(-8.0, 1.0), "b": known(0.5, 1.0)}, kind="mean", seed=1))
    assert isinstance(got.value_remaining, Unavailable)
    assert got.value_remaining.reason is UnavailableReason.BASELINE_NEAR_ZERO
    assert not got.converged


@pytest.mark.parametrize(
    ("arm", "kind", "reason"),
    [
        (EMPTY, "proportion", UnavailableReason.NO_UNITS),
        (Moments(n=99, mean=0.5, m2=24.75), "proportion", UnavailableReason.TOO_FEW_UNITS),
        (Moments(n=200, mean=1.5, m2=50.0), "proportion", UnavailableReason.METHOD_NOT_VALID_HERE),
        (Moments(n=200, mean=math.nan, m2=50.0), "mean", UnavailableReason.NOT_FINITE),
        (Moments(n=200, mean=1.5, m2=math.inf), "mean", UnavailableReason.NOT_FINITE),
        (Moments(n=200, mean=1.5, m2=0.0), "mean", UnavailableReason.NO_VARIANCE),
    ],
)
def test_the_present_weights_stay_when_an_arm_has_no_posterior(
    arm: Moments, kind: str, reason: UnavailableReason
) -> None:
    good = events(50, 200)
    got = thompson_allocation({"good": good, "odd": arm}, kind="mean" if kind == "mean" else "proportion", seed=1)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert "odd" in got.detail


def test_one_arm_has_nothing_to_share() -> None:
    got = thompson_allocation({"only": events(50, 200)}, kind="proportion", seed=1)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE


def test_an_arm_without_any_event_still_has_a_beta_posterior() -> None:
    got = allocated(thompson_allocation({"a": events(0, 100), "b": events(100, 100)}, kind="proportion", seed=1))
    assert got.best == "b"


@pytest.mark.parametrize("floor", [-0.1, 1.0, math.nan])
def test_a_floor_must_be_a_share(floor: float) -> None:
    with pytest.raises(SpecError, match="not a share below 1"):
        thompson_allocation({"a": events(5, 100), "b": events(5, 100)}, kind="proportion", seed=1, floor=floor)


def events(count: int, n: int) -> Moments:
    return Moments(n=n, mean=count / n, m2=count * (n - count) / n)


def known(mean: float, sd: float) -> Moments:
    """Units whose mean has a normal posterior of this mean and standard deviation."""
    n = 10_000
    return Moments(n=n, mean=mean, m2=sd * sd * n * (n - 1))


def allocated(got: Allocation | Unavailable) -> Allocation:
    assert isinstance(got, Allocation), got
    return got


def test_a_rule_that_nobody_knows_is_refused_with_those_there_are() -> None:
    arms = {"a": Moments(n=200, mean=0.1, m2=18), "b": Moments(n=200, mean=0.2, m2=32)}
    with pytest.raises(SpecError, match="'best' is unknown; choose one of thompson, top_two"):
        thompson_allocation(arms, kind="proportion", seed=1, rule="best")  # type: ignore[arg-type]
