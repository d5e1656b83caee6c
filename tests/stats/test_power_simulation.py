"""Power by playing an experiment through, against formulas that know the answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.means import difference_in_means
from abflow.stats.moments import joint_moments_of, moments_of
from abflow.stats.power import PowerQuestion, Split, power_of
from abflow.stats.power_simulation import (
    Arms,
    Values,
    added,
    dealing,
    drawn_moments,
    flipped,
    multiplied,
    simulate_power,
    split_units,
)
from abflow.stats.proportions import difference_in_proportions
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

HALVES = {"old": 0.5, "new": 0.5}


def drawing(*args: Any, **options: Any) -> Any:
    draw = split_units(*args, **options)
    assert not isinstance(draw, Unavailable), draw
    return draw


def better_mean(arms: Arms) -> bool:
    found = difference_in_means(moments_of(arms["old"]["spent"]), moments_of(arms["new"]["spent"]))
    return isinstance(found, Estimate) and found.p_value < 0.05 and found.value > 0


@pytest.mark.slow
def test_a_shifted_mean_is_found_as_often_as_the_noncentral_t_says() -> None:
    # statsmodels and Cohen (1988): d = 0.5 with 64 per group has power 0.8015.
    values = np.random.default_rng(7).standard_normal(20_000)
    draw = drawing({"spent": values}, shares=HALVES, effects={"new": {"spent": added(0.5 * values.std())}}, total=128)
    got = simulate_power(draw, better_mean, runs=2_000, seed=1)
    assert got.power == pytest.approx(0.8015, abs=3.29 * math.sqrt(0.8 * 0.2 / 2_000) + 0.005)
    assert got.lower < 0.8015 < got.upper


@pytest.mark.slow
def test_a_flipped_rate_is_found_as_often_as_the_formula_says() -> None:
    values = np.zeros(50_000)
    values[:5_000] = 1

    def found(arms: Arms) -> bool:
        estimate = difference_in_proportions(moments_of(arms["old"]["bought"]), moments_of(arms["new"]["bought"]))
        return isinstance(estimate, Estimate) and estimate.p_value < 0.05 and estimate.value > 0

    draw = drawing({"bought": values}, shares=HALVES, effects={"new": {"bought": flipped(0.02)}}, total=7_682)
    got = simulate_power(draw, found, runs=1_500, seed=2)
    question = PowerQuestion(name="b", kind="difference", mean=0.1, sd=None, size=0.02, relative=False, alpha=0.05)
    want = power_of(question, total=7_682, split=Split(control=0.5, treatment=0.5))
    assert got.power == pytest.approx(want, abs=3.29 * math.sqrt(0.8 * 0.2 / 1_500))


@pytest.mark.slow
def test_a_ratio_keeps_what_its_numerator_has_to_do_with_its_denominator() -> None:
    rng = np.random.default_rng(3)
    views = rng.geometric(0.2, 20_000).astype(float)
    clicks = rng.binomial(views.astype(int), rng.beta(1, 9, 20_000)).astype(float)
    pairs = np.column_stack([clicks, views])
    linear = joint_moments_of(clicks, views).linearised()

    def more_clicks(values: Values, _: np.random.Generator) -> Values:
        return np.asarray(values * np.array([1.1, 1.0]), dtype=np.float64)

    def found(arms: Arms) -> bool:
        before, after = (joint_moments_of(*arms[arm]["ctr"].T).linearised() for arm in ("old", "new"))
        estimate = difference_in_means(before, after)
        return isinstance(estimate, Estimate) and estimate.p_value < 0.05 and estimate.value > 0

    question = PowerQuestion(
        name="ctr",
        kind="difference",
        mean=linear.mean,
        sd=math.sqrt(linear.variance * (1 + 1.1**2) / 2),  # 1.1 times the clicks spread 1.1 times as wide
        size=0.1,
        relative=True,
        alpha=0.05,
    )
    want = power_of(question, total=8_000, split=Split(control=0.5, treatment=0.5))
    draw = drawing({"ctr": pairs}, shares=HALVES, effects={"new": {"ctr": more_clicks}}, total=8_000)
    got = simulate_power(draw, found, runs=1_000, seed=4)
    assert got.power == pytest.approx(want, abs=3.29 * math.sqrt(0.25 / 1_000))


def test_no_effect_is_called_better_as_often_as_the_error_level_allows() -> None:
    values = np.random.default_rng(5).exponential(10, 5_000)
    got = simulate_power(drawing({"spent": values}, shares=HALVES, effects={}), better_mean, runs=1_000, seed=6)
    assert got.power == pytest.approx(0.025, abs=3.29 * math.sqrt(0.025 * 0.975 / 1_000))


def test_the_same_seed_counts_the_same() -> None:
    values = np.random.default_rng(8).exponential(10, 200)
    draw = drawing({"spent": values}, shares=HALVES, effects={"new": {"spent": multiplied(1.3)}})
    first, second, other = (simulate_power(draw, better_mean, runs=200, seed=seed) for seed in (1, 1, 2))
    assert first == second != other


def test_the_error_of_so_many_runs_is_exact() -> None:
    got = simulate_power(lambda rng: rng.random(), lambda drawn: drawn < 0.3, runs=400, seed=9)
    # Clopper, Pearson (1934), as scipy computes it.
    want = stats.binomtest(got.hits, 400).proportion_ci(0.95, method="exact")
    assert (got.lower, got.upper) == pytest.approx((want.low, want.high), rel=1e-6)
    always = simulate_power(lambda rng: 0, lambda _: True, runs=10, seed=1)
    assert (always.power, always.upper) == (1.0, 1.0)
    assert always.lower == pytest.approx(0.025 ** (1 / 10))


def test_every_unit_is_in_one_arm_and_keeps_all_its_metrics() -> None:
    first = np.arange(1000.0)
    draw = drawing({"a": first, "b": 2 * first}, shares={"x": 0.5, "y": 0.3, "z": 0.2}, effects={})
    arms: Arms = draw(np.random.default_rng(1))
    assert sorted(np.concatenate([arms[arm]["a"] for arm in "xyz"])) == list(first)
    for arm, share in (("x", 0.5), ("y", 0.3), ("z", 0.2)):
        assert list(arms[arm]["b"]) == list(2 * arms[arm]["a"])
        assert arms[arm]["a"].size == pytest.approx(1000 * share, abs=3.29 * math.sqrt(1000 * share))


def test_units_beyond_the_shares_are_in_no_arm() -> None:
    arms: Arms = drawing({"a": np.ones(1000)}, shares={"x": 0.1, "y": 0.1}, effects={})(np.random.default_rng(2))
    assert 100 < arms["x"]["a"].size + arms["y"]["a"].size < 300


def test_more_units_than_there_are_come_twice() -> None:
    arms: Arms = drawing({"a": np.arange(10.0)}, shares=HALVES, effects={}, total=500)(np.random.default_rng(3))
    both = np.concatenate([arms["old"]["a"], arms["new"]["a"]])
    assert both.size == 500
    assert set(both) == set(range(10))


@pytest.mark.parametrize("change", [0.05, -0.05, 0.0, 0.7])
def test_a_flip_moves_a_rate_by_what_it_says(change: float) -> None:
    values = np.repeat([0.0, 1.0], [70_000, 30_000])
    moved = flipped(change)(values, np.random.default_rng(4))
    assert set(np.unique(moved)) <= {0.0, 1.0}
    assert moved.mean() == pytest.approx(0.3 + change, abs=0.005)


def test_a_rate_cannot_leave_0_to_1() -> None:
    with pytest.raises(DataError, match=r"a rate of 0\.5 cannot move by \+0\.6"):
        flipped(0.6)(np.array([0.0, 1.0]), np.random.default_rng(5))


def test_drawn_moments_are_those_of_drawn_units() -> None:
    rng = np.random.default_rng(6)
    drawn = [drawn_moments(rng, units=400, mean=20.0, sd=50.0) for _ in range(4_000)]
    means = np.array([each.mean for each in drawn])
    variances = np.array([each.variance for each in drawn])
    assert means.mean() == pytest.approx(20, abs=3.29 * 2.5 / math.sqrt(4_000))
    assert means.std() == pytest.approx(2.5, rel=0.04)
    assert variances.mean() == pytest.approx(2_500, rel=0.01)
    assert variances.std() == pytest.approx(2_500 * math.sqrt(2 / 399), rel=0.05)
    rates = [drawn_moments(rng, units=100, mean=0.1, sd=None) for _ in range(2_000)]
    assert np.mean([rate.mean for rate in rates]) == pytest.approx(0.1, abs=3.29 * 0.03 / math.sqrt(2_000))
    assert all(rate.m2 == pytest.approx(100 * rate.mean * (1 - rate.mean)) for rate in rates[:20])


@pytest.mark.parametrize(
    ("values", "options", "error", "said"),
    [
        ({}, {}, DataError, "do not list the same units"),
        ({"a": [1.0, 2.0], "b": [1.0]}, {}, DataError, "do not list the same units"),
        ({"a": 3.0}, {}, DataError, "do not list the same units"),
        ({"a": [1.0, 2.0]}, {"shares": {"x": 0.8, "y": 0.8}}, SpecError, "shares"),
        ({"a": [1.0, 2.0]}, {"shares": {"x": 0.0, "y": 0.8}}, SpecError, "shares"),
        ({"a": [1.0, 2.0]}, {"effects": {"new": {"b": added(1)}}}, SpecError, r"\('new', 'b'\)"),
        ({"a": [1.0, 2.0]}, {"effects": {"newest": {"a": added(1)}}}, SpecError, r"\('newest', 'a'\)"),
    ],
)
def test_impossible_designs_are_refused(
    values: dict[str, Any], options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        split_units(values, **({"shares": HALVES, "effects": {}} | options))
    with pytest.raises(SpecError, match="0 runs"):
        simulate_power(lambda rng: 0, lambda _: True, runs=0, seed=1)


@pytest.mark.parametrize(
    ("values", "reason"),
    [([], UnavailableReason.NO_UNITS), ([1.0, math.nan], UnavailableReason.NOT_FINITE)],
)
def test_units_that_cannot_be_split_say_why(values: list[float], reason: UnavailableReason) -> None:
    got = split_units({"a": values}, shares=HALVES, effects={})
    assert isinstance(got, Unavailable)
    assert got.reason is reason


@pytest.mark.parametrize(
    ("units", "mean", "sd"),
    [(1, 0.5, None), (0, 1.0, 1.0), (10, 1.5, None), (10, math.nan, 1.0), (10, 1.0, -1.0), (10, 1.0, math.nan)],
)
def test_arms_that_cannot_be_drawn_are_refused(units: int, mean: float, sd: float | None) -> None:
    with pytest.raises(SpecError):
        drawn_moments(np.random.default_rng(1), units=units, mean=mean, sd=sd)


def test_fewer_units_than_none_cannot_be_dealt() -> None:
    with pytest.raises(SpecError, match="-5 units"):
        dealing(10, shares={"a": 1.0}, total=-5)
