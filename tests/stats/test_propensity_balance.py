"""Contextual weights: arms against the probabilities that were logged."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from abflow.errors import DataError
from abflow.stats.moments import EMPTY, Moments, moments_of
from abflow.stats.propensity_balance import ArmBalance, propensity_balance
from abflow.stats.result import Unavailable, UnavailableReason


def test_a_balance_is_the_one_sample_test_of_weights_with_mean_one() -> None:
    # By hand: one number per unit, 1 / propensity in the arm and 0 elsewhere; scipy tests their mean against 1.
    rng = np.random.default_rng(2)
    logged = rng.uniform(0.2, 0.8, size=4_000)
    treated = rng.random(4_000) < logged
    got = balanced(
        propensity_balance({"control": moments_of(1 / (1 - logged[~treated])), "t": moments_of(1 / logged[treated])})
    )
    for arm, weights in (("control", np.where(treated, 0, 1 / (1 - logged))), ("t", np.where(treated, 1 / logged, 0))):
        want = stats.ttest_1samp(weights, 1.0)
        assert got[arm].mean == pytest.approx(weights.mean())
        assert got[arm].se == pytest.approx(stats.sem(weights))
        assert got[arm].p_value == pytest.approx(want.pvalue, rel=0.01)  # z here, t there
    smaller, larger = sorted(got.values(), key=lambda arm: arm.p_value)
    assert smaller.adjusted_p == pytest.approx(min(2 * smaller.p_value, 1))
    assert larger.adjusted_p == pytest.approx(max(larger.p_value, smaller.adjusted_p))


def test_with_constant_weights_it_is_the_test_of_a_share() -> None:
    # 620 of 2 000 units where 30 % were planned: the Wald test of one share.
    got = balanced(propensity_balance({"a": constant(620, 1 / 0.3), "b": constant(1_380, 1 / 0.7)}))
    z = (0.31 - 0.3) / math.sqrt(0.31 * 0.69 / 1_999)
    assert got["a"].p_value == pytest.approx(2 * stats.norm.sf(z))
    assert got["b"].p_value == pytest.approx(got["a"].p_value)


def test_the_order_and_the_shards_do_not_matter() -> None:
    rng = np.random.default_rng(3)
    left, right = moments_of(1 / rng.uniform(0.2, 1, 300)), moments_of(1 / rng.uniform(0.2, 1, 200))
    other = moments_of(1 / rng.uniform(0.5, 1, 400))
    there = balanced(propensity_balance({"a": left + right, "b": other}))
    back = balanced(propensity_balance({"b": other, "a": right + left}))
    assert back["a"].p_value == pytest.approx(there["a"].p_value, rel=1e-9)


@pytest.mark.parametrize(
    ("arms", "reason"),
    [
        ({}, UnavailableReason.NO_UNITS),
        ({"a": EMPTY, "b": EMPTY}, UnavailableReason.NO_UNITS),
        ({"a": moments_of([2.0] * 40), "b": moments_of([2.0] * 59)}, UnavailableReason.TOO_FEW_UNITS),
        ({"a": moments_of([1.0] * 400)}, UnavailableReason.NO_VARIANCE),
        ({"a": moments_of([1.0] * 400), "b": EMPTY}, UnavailableReason.NO_VARIANCE),
        ({"a": moments_of([math.inf, 2.0] * 100), "b": moments_of([2.0] * 99)}, UnavailableReason.NOT_FINITE),
        ({"a": moments_of([math.nan, 2.0] * 100), "b": moments_of([2.0] * 99)}, UnavailableReason.NOT_FINITE),
    ],
)
def test_what_cannot_be_tested_says_why(arms: dict[str, Moments], reason: UnavailableReason) -> None:
    got = propensity_balance(arms)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert got.detail


def test_an_arm_that_gets_everybody_is_found_although_the_other_has_no_probabilities() -> None:
    rng = np.random.default_rng(4)
    varied = balanced(propensity_balance({"a": moments_of(1 / rng.uniform(0.4, 0.6, 400)), "b": EMPTY}))
    assert list(varied) == ["a"]
    assert varied["a"].p_value < 1e-6
    # A coin that falls 100 times on the same side, and one that nearly always does.
    assert balanced(propensity_balance({"a": constant(100, 2.0)}))["a"].p_value == pytest.approx(0.5**100)
    assert balanced(propensity_balance({"a": constant(100, 1 / 0.999)}))["a"].p_value == pytest.approx(0.999**100)


def test_a_probability_above_one_is_refused() -> None:
    with pytest.raises(DataError, match="at most 1"):
        propensity_balance({"a": moments_of([0.5] * 100), "b": moments_of([2.0] * 100)})


def constant(units: int, weight: float) -> Moments:
    return Moments(n=units, mean=weight, m2=0.0)


def balanced(got: dict[str, ArmBalance] | Unavailable) -> dict[str, ArmBalance]:
    assert not isinstance(got, Unavailable), got
    return got
