"""Sample ratio, once and at every look."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.srm import SampleRatio, mixture_log_e, sample_ratio, sequential_sample_ratio

EVEN = {"control": 1.0, "treatment": 1.0}
THIRDS = {"a": 0.34, "b": 0.33, "c": 0.33}


@pytest.mark.parametrize(
    ("counts", "shares", "p_value"),
    [
        ({"a": 1000, "b": 1200}, {"a": 1, "b": 1}, 0.000020079),
        ({"a": 135, "b": 115}, {"a": 0.5, "b": 0.5}, 0.205903211),
        ({"a": 310, "b": 98}, {"a": 75, "b": 25}, 0.647434186),
        ({"a": 500, "b": 500, "c": 600}, THIRDS, 0.000592638),
        ({"a": 0, "b": 10, "c": 10}, THIRDS, 0.005790624),
    ],
)
def test_growthbooks_examples_are_reproduced(counts: dict[str, int], shares: dict[str, float], p_value: float) -> None:
    got = checked(sample_ratio(counts, shares))
    assert got.p_value == pytest.approx(p_value, abs=1e-9)
    assert got.dof == len(counts) - 1
    assert got.method == "chi-square"


def test_the_published_mismatch_of_a_large_test_is_reproduced() -> None:
    # Kohavi and Fabijan's example: 821 588 and 815 482 users planned half and half.
    got = checked(sample_ratio({"a": 821_588, "b": 815_482}, {"a": 1, "b": 1}))
    assert got.statistic == pytest.approx(22.774, abs=1e-3)
    assert got.p_value == pytest.approx(1.8218e-6, abs=1e-10)


@pytest.mark.parametrize("left", range(10))
def test_two_small_arms_get_the_exact_binomial_test(left: int) -> None:
    got = checked(sample_ratio({"a": left, "b": 9 - left}, {"a": 0.4, "b": 0.6}))
    assert got.p_value == pytest.approx(stats.binomtest(left, 9, 0.4).pvalue, rel=1e-9)
    assert got.method == "exact multinomial"


def test_three_small_arms_get_the_exact_multinomial_test() -> None:
    # Every table, one by one, by scipy's probabilities.
    n, shares = 11, (0.5, 0.3, 0.2)
    chance = stats.multinomial(n, shares)
    tables = [t for t in itertools.product(range(n + 1), repeat=3) if sum(t) == n]
    for seen in tables[::7]:
        limit = chance.pmf(seen) * (1 + 1e-7)
        want = sum(float(chance.pmf(t)) for t in tables if chance.pmf(t) <= limit)
        got = checked(sample_ratio(dict(zip("abc", seen, strict=True)), dict(zip("abc", shares, strict=True))))
        assert got.p_value == pytest.approx(want, rel=1e-6)


def test_too_many_tables_are_simulated_and_agree_with_the_exact_answer() -> None:
    # With n = 1999, 2 000 000 tables of three arms; pooling the two rare arms has an exact answer near it.
    shares = {"a": 0.998, "b": 0.001, "c": 0.001}
    counts = {"a": 1985, "b": 12, "c": 2}
    got = checked(sample_ratio(counts, shares))
    assert got.method.endswith("simulated tables")
    assert got.p_value < 0.001
    middling = {"a": 1992, "b": 5, "c": 2}
    assert sample_ratio(middling, shares) == sample_ratio(middling, dict(reversed(shares.items())))
    fair = checked(sample_ratio({"a": 1995, "b": 2, "c": 2}, shares))
    assert fair.p_value > 0.9


@given(st.integers(0, 3000), st.integers(1, 3000), st.floats(0.1, 0.9))
def test_the_order_of_the_arms_does_not_matter(left: int, right: int, share: float) -> None:
    there = checked(sample_ratio({"a": left, "b": right}, {"a": share, "b": 1 - share}))
    back = checked(sample_ratio({"b": left, "a": right}, {"b": share, "a": 1 - share}))
    assert back.p_value == pytest.approx(there.p_value, rel=1e-6)
    e_there = mixture_log_e({"a": left, "b": right}, {"a": share, "b": 1 - share})
    e_back = mixture_log_e({"b": left, "a": right}, {"b": share, "a": 1 - share})
    assert e_back == pytest.approx(e_there, abs=1e-6)


@given(st.integers(10, 3000), st.integers(10, 3000), st.sampled_from([2.0, 0.1, 100.0]))
def test_shares_are_relative(left: int, right: int, by: float) -> None:
    counts = {"control": left, "treatment": right}
    plain = checked(sample_ratio(counts, EVEN))
    scaled = checked(sample_ratio(counts, {arm: share * by for arm, share in EVEN.items()}))
    assert scaled.p_value == pytest.approx(plain.p_value, rel=1e-9)


def test_an_arm_planned_for_nobody_and_met_by_nobody_is_left_out() -> None:
    got = checked(sample_ratio({"a": 135, "b": 115, "c": 0}, {"a": 1, "b": 1, "c": 0}))
    assert got.p_value == pytest.approx(0.205903211, abs=1e-9)
    assert got.dof == 1
    assert set(got.expected) == {"a", "b"}


def test_a_planned_arm_that_nobody_met_counts_zero() -> None:
    got = checked(sample_ratio({"control": 100}, EVEN))
    assert got.p_value < 1e-20


@pytest.mark.parametrize(
    ("counts", "shares", "reason"),
    [
        ({"a": 100}, {"a": 1.0}, UnavailableReason.METHOD_NOT_VALID_HERE),
        ({"a": 100, "b": 0}, {"a": 1.0, "b": 0.0}, UnavailableReason.METHOD_NOT_VALID_HERE),
        ({"a": 100, "b": 90, "c": 3}, {"a": 1, "b": 1, "c": 0}, UnavailableReason.METHOD_NOT_VALID_HERE),
        ({"a": 100, "b": 90, "x": 3}, {"a": 1, "b": 1}, UnavailableReason.METHOD_NOT_VALID_HERE),
        ({"a": 0, "b": 0}, {"a": 1, "b": 1}, UnavailableReason.NO_UNITS),
        ({}, {}, UnavailableReason.METHOD_NOT_VALID_HERE),
    ],
)
def test_where_there_is_no_ratio_there_is_no_test(
    counts: dict[str, int], shares: dict[str, float], reason: UnavailableReason
) -> None:
    for got in (
        sample_ratio(counts, shares),
        sequential_sample_ratio(counts, shares, prior_mass=100),
        mixture_log_e(counts, shares),
    ):
        assert isinstance(got, Unavailable)
        assert got.reason is reason
        assert got.detail


def test_impossible_counts_and_shares_are_refused() -> None:
    with pytest.raises(DataError, match="-3 units"):
        sample_ratio({"a": -3, "b": 5}, {"a": 1, "b": 1})
    with pytest.raises(SpecError, match="'b' has the planned share nan"):
        sample_ratio({"a": 3, "b": 5}, {"a": 1, "b": math.nan})
    with pytest.raises(SpecError, match="prior mass 0"):
        sequential_sample_ratio({"a": 3, "b": 5}, {"a": 1, "b": 1}, prior_mass=0)


@pytest.mark.parametrize(
    ("counts", "prior_mass", "log_e"),
    [
        ((1000, 1200), 2, 5.47667),
        ((1000, 1200), 100, 7.14030),
        ((500, 500), 2, -3.22884),
        ((500, 500), 100, -1.20122),
    ],
)
def test_the_sequential_test_reproduces_lindon_and_malek(
    counts: tuple[int, int], prior_mass: float, log_e: float
) -> None:
    # arXiv 2011.03567; recomputed from the Beta-binomial marginal.
    got = sequential_sample_ratio(dict(zip(EVEN, counts, strict=True)), EVEN, prior_mass=prior_mass)
    assert got == pytest.approx(log_e, abs=5e-6)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1)])
def test_an_e_value_is_one_on_average_under_the_plan(shares: tuple[float, float]) -> None:
    # The defining property, summed over every possible table.
    n, planned = 60, dict(zip(EVEN, shares, strict=True))
    average = sum(
        stats.binom.pmf(k, n, shares[0]) * math.exp(log_e)
        for k in range(n + 1)
        for log_e in [mixture_log_e({"control": k, "treatment": n - k}, planned)]
        if not isinstance(log_e, Unavailable)
    )
    assert average == pytest.approx(1.0, rel=1e-9)


def test_the_mixture_lies_between_its_parts() -> None:
    counts = {"control": 40_000, "treatment": 41_000}
    parts = [sequential_sample_ratio(counts, EVEN, prior_mass=mass) for mass in (10, 100, 1e3, 1e4, 1e5)]
    logs = [part for part in parts if not isinstance(part, Unavailable)]
    got = mixture_log_e(counts, EVEN)
    assert not isinstance(got, Unavailable)
    assert max(logs) - math.log(5) <= got <= max(logs)
    assert got == pytest.approx(math.log(sum(math.exp(one) for one in logs) / 5))


def test_the_exact_test_never_rejects_too_often() -> None:
    # Exactly: the chance of all tables whose p-value is at most 5 %.
    n, shares = 30, {"a": 0.9, "b": 0.1}
    chance = sum(
        float(stats.binom.pmf(k, n, 0.9))
        for k in range(n + 1)
        if checked(sample_ratio({"a": k, "b": n - k}, shares)).p_value <= 0.05
    )
    assert 0.01 < chance <= 0.05


def test_a_daily_look_needs_no_scipy() -> None:
    code = (
        "import sys; from abflow.stats.srm import mixture_log_e; mixture_log_e({'a': 90, 'b': 100}, {'a': 1, 'b': 1}); "
        "sys.exit(any(name.startswith('scipy') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def checked(got: SampleRatio | Unavailable) -> SampleRatio:
    assert isinstance(got, SampleRatio), got
    return got


@pytest.mark.parametrize("count", [math.nan, math.inf])
def test_a_count_that_is_no_number_is_refused(count: float) -> None:
    with pytest.raises(DataError, match="a count is a whole number"):
        sample_ratio({"a": 10, "b": count}, {"a": 1, "b": 1})  # type: ignore[dict-item]
