"""Boschloo's and Barnard's exact tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abflow.stats.moments import EMPTY, Moments
from abflow.stats.proportions import Alternative, RateTest, fisher_test
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.small_counts import barnard_test, boschloo_test

SIDES: tuple[Alternative, ...] = ("two-sided", "greater", "less")
BOTH = pytest.mark.parametrize("test", [boschloo_test, barnard_test])


@pytest.mark.parametrize(("test", "p_value"), [(boschloo_test, 0.400017), (barnard_test, 0.530637)])
def test_tea_tastings_example_is_reproduced(test: Callable[..., RateTest | Unavailable], p_value: float) -> None:
    # tea-tasting's tests of its Proportion metric: 13 of 47 against 19 of 53.
    assert checked(test(rate(13, 47), rate(19, 53))).p_value == pytest.approx(p_value, abs=5e-7)
    assert checked(test(rate(19, 53), rate(13, 47))).p_value == pytest.approx(p_value, abs=5e-7)


def test_the_examples_of_the_literature_are_reproduced() -> None:
    # Mehta and Senchaudhuri (2003), Conditional versus unconditional exact tests: 7 of 15 vaccinated and 12 of 15
    # others infected; one-sided Barnard 0.0341, Fisher 0.0641 (also in scipy's documentation).
    control, treatment = rate(12, 15), rate(7, 15)
    assert checked(barnard_test(control, treatment, alternative="less")).p_value == pytest.approx(0.0341, abs=5e-5)
    assert checked(fisher_test(control, treatment, alternative="less")).p_value == pytest.approx(0.0641, abs=5e-5)
    # scipy's documentation of Boschloo's test: 74 of 117 against 31 of 63; one-sided 0.0355, Fisher 0.0483.
    control, treatment = rate(31, 63), rate(74, 117)
    assert checked(boschloo_test(control, treatment, alternative="greater")).p_value == pytest.approx(0.0355, abs=1e-4)
    assert checked(fisher_test(control, treatment, alternative="greater")).p_value == pytest.approx(0.0483, abs=5e-5)


@BOTH
def test_the_answer_is_the_worst_case_over_all_common_rates(test: Callable[..., RateTest | Unavailable]) -> None:
    # By definition: order all tables, then take the largest chance, over the common rate, of those at least as
    # extreme; the order is Fisher's one-sided p for Boschloo, the pooled z for Barnard.
    n, m = 8, 6
    tables = list(itertools.product(range(n + 1), range(m + 1)))
    grid = np.linspace(0.001, 0.999, 999)
    for seen in ((1, 4), (2, 6), (0, 3)):
        extreme = [t for t in tables if _order(test, t, n, m) <= _order(test, seen, n, m) + 1e-12]
        chance = sum(stats.binom.pmf(a, n, grid) * stats.binom.pmf(b, m, grid) for a, b in extreme)
        got = checked(test(rate(seen[0], n), rate(seen[1], m), alternative="greater"))
        assert got.p_value == pytest.approx(float(np.max(chance)), abs=2e-4)


@BOTH
@given(
    n=st.integers(2, 25),
    m=st.integers(2, 25),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    common=st.lists(st.integers(0, 1000), min_size=5, max_size=5),
    side=st.sampled_from(SIDES[1:]),
)
@settings(max_examples=60, deadline=None)
def test_no_common_rate_makes_it_more_likely(
    test: Callable[..., RateTest | Unavailable],
    n: int,
    m: int,
    shares: tuple[float, float],
    common: list[int],
    side: Alternative,
) -> None:
    """Tables as extreme are told by the test itself: their p-value is no larger."""
    seen = test(rate(round(shares[0] * n), n), rate(round(shares[1] * m), m), alternative=side)
    if isinstance(seen, Unavailable):
        return
    rates, chance = np.array(common) / 1000, np.zeros(len(common))
    order, own = _orders(test, n, m, side), (round(shares[0] * n), round(shares[1] * m))
    for a, b in itertools.product(range(n + 1), range(m + 1)):
        if order[a, b] <= order[own] + 1e-12:
            chance += stats.binom.pmf(a, n, rates) * stats.binom.pmf(b, m, rates)
    assert float(np.max(chance)) <= seen.p_value + 1e-9


def _orders(
    test: Callable[..., RateTest | Unavailable], n: int, m: int, side: Alternative
) -> dict[tuple[int, int], float]:
    """The smaller, the more extreme."""
    sign = 1 if side == "greater" else -1
    if test is boschloo_test:
        return {
            (a, b): float(stats.fisher_exact(np.array([[b, a], [m - b, n - a]]), alternative=side).pvalue)
            for a, b in itertools.product(range(n + 1), range(m + 1))
        }
    found = {}
    for a, b in itertools.product(range(n + 1), range(m + 1)):
        pooled = (a + b) / (n + m)
        spread = (pooled * (1 - pooled) * (1 / n + 1 / m)) ** 0.5
        found[a, b] = -sign * (b * n - a * m) / (n * m) / spread if spread else 0.0
    return found


@pytest.mark.parametrize(
    ("control", "treatment", "side", "too_small"),
    [((11, 55), (1, 21), "less", 0.0674), ((5, 55), (0, 30), "less", 0.0520), ((2, 8), (7, 40), "less", 0.4371)],
)
def test_peaks_that_scipys_optimiser_misses_are_found(
    control: tuple[int, int], treatment: tuple[int, int], side: Alternative, too_small: float
) -> None:
    """scipy.stats.barnard_exact of 1.17 gives the last number; a grid of 20 000 common rates gives ours."""
    n, m = control[1], treatment[1]
    order = _orders(barnard_test, n, m, side)
    extreme = [t for t in order if order[t] <= order[control[0], treatment[0]] + 1e-12]
    grid = np.linspace(0, 1, 20_001)
    chance = sum(stats.binom.pmf(a, n, grid) * stats.binom.pmf(b, m, grid) for a, b in extreme)
    got = checked(barnard_test(rate(*control), rate(*treatment), alternative=side)).p_value
    assert got == pytest.approx(float(np.max(chance)), abs=1e-5)
    assert got > too_small + 1e-3


def test_it_is_scipys_answer_where_its_optimiser_finds_the_peak() -> None:
    for (a, n), (b, m) in (((7, 19), (12, 23)), ((3, 40), (9, 44)), ((20, 28), (30, 39)), ((31, 58), (24, 37))):
        for side in SIDES:
            for ours, theirs in ((barnard_test, stats.barnard_exact), (boschloo_test, stats.boschloo_exact)):
                p_value = checked(ours(rate(a, n), rate(b, m), alternative=side)).p_value
                assert p_value == pytest.approx(theirs([[b, a], [m - b, n - a]], alternative=side).pvalue, abs=1e-6)


def _order(test: Callable[..., RateTest | Unavailable], table: tuple[int, int], n: int, m: int) -> float:
    got = fisher_test(rate(table[0], n), rate(table[1], m), alternative="greater")
    if isinstance(got, Unavailable):
        return 1.0 if test is boschloo_test else 0.0
    return got.p_value if test is boschloo_test else -got.z


@BOTH
def test_swapping_the_arms_swaps_the_sides(test: Callable[..., RateTest | Unavailable]) -> None:
    for side, back in (("greater", "less"), ("less", "greater"), ("two-sided", "two-sided")):
        there = checked(test(rate(2, 20), rate(9, 25), alternative=side))
        assert checked(test(rate(9, 25), rate(2, 20), alternative=back)).p_value == pytest.approx(there.p_value)
        assert there.alternative == side
    assert checked(test(rate(2, 20), rate(9, 25), alternative="greater")).p_value < 0.05


def test_boschloos_test_is_never_weaker_than_fishers() -> None:
    for a, b in itertools.product(range(0, 13, 3), range(0, 10, 2)):
        for side in ("greater", "less"):
            fisher = fisher_test(rate(a, 12), rate(b, 9), alternative=side)
            boschloo = boschloo_test(rate(a, 12), rate(b, 9), alternative=side)
            if isinstance(fisher, RateTest):
                assert checked(boschloo).p_value <= fisher.p_value + 1e-6


@BOTH
def test_it_never_rejects_more_often_than_it_says(test: Callable[..., RateTest | Unavailable]) -> None:
    n, m = 9, 7
    rejected = [
        (a, b)
        for a, b in itertools.product(range(n + 1), range(m + 1))
        if isinstance(got := test(rate(a, n), rate(b, m)), RateTest) and got.p_value <= 0.05
    ]
    grid = np.linspace(0.01, 0.99, 99)
    level = sum(stats.binom.pmf(a, n, grid) * stats.binom.pmf(b, m, grid) for a, b in rejected)
    assert 0.02 < float(np.max(level)) <= 0.05 + 1e-6


@BOTH
def test_what_cannot_be_tested_says_why(test: Callable[..., RateTest | Unavailable]) -> None:
    for control, treatment, reason in (
        (rate(0, 10), rate(0, 12), UnavailableReason.NO_VARIANCE),
        (EMPTY, rate(1, 12), UnavailableReason.NO_UNITS),
        (rate(3, 10), Moments(n=10, mean=2.5, m2=4.0), UnavailableReason.METHOD_NOT_VALID_HERE),
        (rate(3, 1000), rate(5, 1000), UnavailableReason.METHOD_NOT_VALID_HERE),
    ):
        got = test(control, treatment)
        assert isinstance(got, Unavailable)
        assert got.reason is reason
        assert got.detail


def rate(successes: int, n: int) -> Moments:
    return Moments(n=n, mean=successes / n, m2=successes * (n - successes) / n)


def checked(got: RateTest | Unavailable) -> RateTest:
    assert isinstance(got, RateTest), got
    return got
