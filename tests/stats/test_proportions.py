"""Rates: pooled z, Fisher, Newcombe, Wilson and Cohen's h."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.moments import EMPTY, Moments, moments_of
from abflow.stats.proportions import (
    Alternative,
    RateTest,
    cohens_h,
    difference_in_proportions,
    fisher_test,
    newcombe_interval,
    pooled_z_test,
    size_in_words,
    successes_of,
    wald_interval,
    wilson_interval,
)
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

NOBODY = Moments(n=100, mean=0.0, m2=0.0)
sides = st.sampled_from(["two-sided", "greater", "less"])
arms = st.integers(2, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_the_article_on_ml_tests_is_reproduced() -> None:
    # 1380/8500 against 1545/8200: rates, difference and Wald interval by the formulas it prints.
    control, treatment = rate(1380, 8500), rate(1545, 8200)
    got = estimated(difference_in_proportions(control, treatment))
    assert (control.mean, treatment.mean) == pytest.approx((0.162353, 0.188415), abs=1e-6)
    assert got.value == pytest.approx(0.026062, abs=1e-6)
    assert got.method == "pooled z, Newcombe interval"
    # The square of the pooled z is the chi-square of the 2x2 table.
    table = np.array([[1380, 8500 - 1380], [1545, 8200 - 1545]])
    assert got.p_value == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)
    se = math.sqrt(0.162353 * 0.837647 / 8500 + 0.188415 * 0.811585 / 8200)
    assert wald_interval(control, treatment) == pytest.approx(
        (0.026062 - 1.959964 * se, 0.026062 + 1.959964 * se), abs=2e-6
    )
    assert got.se == pytest.approx(se, rel=1e-5)
    assert size_in_words(cohens_h(control.mean, treatment.mean)) == "negligible"


@pytest.mark.parametrize(
    ("treatment", "control", "interval"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((0, 10), (0, 10), (-0.2775, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_newcombes_own_table_is_reproduced(
    treatment: tuple[int, int], control: tuple[int, int], interval: tuple[float, float]
) -> None:
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10.
    assert newcombe_interval(rate(*control), rate(*treatment)) == pytest.approx(interval, abs=5e-5)


def test_small_counts_use_fishers_exact_test() -> None:
    # Lady tasting tea (Fisher 1935): 3 of 4 against 1 of 4, two-sided p 0.4857.
    got = estimated(difference_in_proportions(rate(1, 4), rate(3, 4)))
    assert got.p_value == pytest.approx(0.4857143, abs=1e-7)
    assert got.method == "Fisher's exact, Newcombe interval"


def test_five_expected_units_in_every_cell_are_enough_for_z() -> None:
    assert estimated(difference_in_proportions(rate(3, 50), rate(7, 50))).method.startswith("pooled z")
    assert estimated(difference_in_proportions(rate(2, 50), rate(7, 50))).method.startswith("Fisher")
    assert estimated(difference_in_proportions(rate(0, 48), rate(10, 48))).method.startswith("pooled z")
    assert estimated(difference_in_proportions(rate(48, 48), rate(38, 48))).method.startswith("pooled z")
    # The smaller arm has the smallest cell, also for failures.
    assert estimated(difference_in_proportions(rate(990, 1000), rate(98, 100))).method.startswith("Fisher")


@given(arms, arms)
def test_swapping_the_arms_changes_the_sign_only(left: tuple[int, int], right: tuple[int, int]) -> None:
    there = difference_in_proportions(rate(*left), rate(*right))
    back = difference_in_proportions(rate(*right), rate(*left))
    assume(isinstance(there, Estimate))
    there, back = estimated(there), estimated(back)
    assert back.value == pytest.approx(-there.value, abs=1e-15)
    assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower), abs=1e-12)
    assert back.p_value == pytest.approx(there.p_value, rel=1e-9)


@given(arms, arms)
def test_counting_failures_instead_changes_the_sign_only(left: tuple[int, int], right: tuple[int, int]) -> None:
    wins = difference_in_proportions(rate(*left), rate(*right))
    losses = difference_in_proportions(rate(left[1] - left[0], left[1]), rate(right[1] - right[0], right[1]))
    assume(isinstance(wins, Estimate))
    assert estimated(losses).p_value == pytest.approx(estimated(wins).p_value, rel=1e-9)
    assert estimated(losses).lower == pytest.approx(-estimated(wins).upper, abs=1e-12)


@given(arms, arms)
def test_every_interval_holds_the_estimate_and_stays_between_minus_one_and_one(
    left: tuple[int, int], right: tuple[int, int]
) -> None:
    lower, upper = ends(newcombe_interval(rate(*left), rate(*right)))
    assert -1 <= lower <= right[0] / right[1] - left[0] / left[1] <= upper <= 1


@given(arms, arms)
def test_more_confidence_is_a_wider_interval(left: tuple[int, int], right: tuple[int, int]) -> None:
    narrow = ends(newcombe_interval(rate(*left), rate(*right), confidence=0.9))
    wide = ends(newcombe_interval(rate(*left), rate(*right), confidence=0.99))
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


@given(arms)
def test_wilsons_interval_agrees_with_scipy(arm: tuple[int, int]) -> None:
    want = stats.binomtest(*arm).proportion_ci(0.95, method="wilson")
    assert wilson_interval(*arm, z=1.959963984540054) == pytest.approx((want.low, want.high), abs=1e-9)


def test_merged_shards_give_the_answer_of_the_whole() -> None:
    shards = moments_of([0, 1, 0, 0, 1]) + moments_of([1, 1, 0]) + moments_of([0] * 30)
    assert successes_of(shards) == 4
    assert difference_in_proportions(shards, rate(20, 40)) == difference_in_proportions(rate(4, 38), rate(20, 40))


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        (NOBODY, NOBODY, UnavailableReason.NO_VARIANCE),
        (Moments(n=100, mean=1.0, m2=0.0), Moments(n=7, mean=1.0, m2=0.0), UnavailableReason.NO_VARIANCE),
        (EMPTY, NOBODY, UnavailableReason.NO_UNITS),
        (moments_of([0, 1, 5]), moments_of([0, 1, 1]), UnavailableReason.METHOD_NOT_VALID_HERE),
        (moments_of([0, math.inf]), moments_of([0, 1, 1]), UnavailableReason.NOT_FINITE),
        # Nobody of 1 000 against the only one: Fisher's p is 0.001, and says nothing of a rate.
        (Moments(n=1000, mean=0.0, m2=0.0), Moments(n=1, mean=1.0, m2=0.0), UnavailableReason.TOO_FEW_UNITS),
    ],
)
def test_what_cannot_be_compared_says_why(control: Moments, treatment: Moments, reason: UnavailableReason) -> None:
    got = difference_in_proportions(control, treatment)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    for interval in (newcombe_interval(control, treatment), wald_interval(control, treatment)):
        if reason is not UnavailableReason.NO_VARIANCE:
            assert isinstance(interval, Unavailable)
            assert interval.reason is reason


def test_walds_interval_has_no_width_to_show_where_nothing_varies() -> None:
    for control, treatment in ((NOBODY, NOBODY), (rate(0, 10), rate(10, 10))):
        got = wald_interval(control, treatment)
        assert isinstance(got, Unavailable)
        assert got.reason is UnavailableReason.NO_VARIANCE


def test_an_alternative_that_does_not_exist_is_refused() -> None:
    larger: Any = "larger"  # as statsmodels calls it
    for test in (pooled_z_test, fisher_test):
        with pytest.raises(SpecError, match="two-sided, greater, less"):
            test(rate(3, 20), rate(9, 20), alternative=larger)


def test_opposite_constant_arms_are_different_all_the_same() -> None:
    got = estimated(difference_in_proportions(rate(0, 50), rate(50, 50)))
    assert got.p_value < 1e-20
    assert 0 < got.lower < got.upper == 1


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(DataError, match="5 successes in 4 units"):
        wilson_interval(5, 4, z=1.96)
    with pytest.raises(DataError, match="between 0 and 1"):
        cohens_h(0.5, 1.5)


def test_cohens_h_reproduces_cohens_table() -> None:
    # Cohen (1988), table 6.2.2: phi(.50) = 1.571, phi(.25) = 1.047, phi(.05) = 0.451.
    assert cohens_h(0.25, 0.50) == pytest.approx(1.571 - 1.047, abs=1e-3)
    assert cohens_h(0.50, 0.05) == pytest.approx(0.451 - 1.571, abs=1e-3)


@pytest.mark.parametrize(
    ("h", "word"),
    [
        (0.0, "negligible"),
        (0.19, "negligible"),
        (-0.2, "small"),
        (0.49, "small"),
        (0.5, "medium"),
        (-0.8, "large"),
    ],
)
def test_sizes_have_cohens_words(h: float, word: str) -> None:
    assert size_in_words(h) == word


@pytest.mark.parametrize(("p", "level"), [(0.01, 0.0004), (0.1, 0.0519), (0.5, 0.0560)])
def test_a_hundred_units_per_arm_have_a_level_that_can_be_added_up(p: float, level: float) -> None:
    # Every table there is, weighted by its chance. The z test of so few units cannot hit .05 itself; where an
    # expected cell is below 5, Fisher's test takes over and is careful. The rule's own border lies between.
    chance = {k: float(stats.binom.pmf(k, 100, p)) for k in range(101)}
    likely = [k for k in chance if chance[k] > 1e-7]
    rejected = 0.0
    for a, b in itertools.product(likely, likely):
        got = difference_in_proportions(rate(a, 100), rate(b, 100))
        rejected += chance[a] * chance[b] * (isinstance(got, Estimate) and got.p_value < 0.05)
    assert rejected == pytest.approx(level, abs=1e-4)


@given(arms, arms)
def test_a_one_sided_z_test_is_half_of_the_two_sided_one_on_its_side(
    left: tuple[int, int], right: tuple[int, int]
) -> None:
    control, treatment = rate(*left), rate(*right)
    both = pooled_z_test(control, treatment)
    assume(isinstance(both, RateTest))
    higher, lower = (checked(pooled_z_test(control, treatment, alternative=side)) for side in ("greater", "less"))
    assert min(higher.p_value, lower.p_value) == pytest.approx(checked(both).p_value / 2, rel=1e-12)
    assert higher.p_value + lower.p_value == pytest.approx(1.0)
    assert (higher.p_value < lower.p_value) == (checked(both).z > 0) or checked(both).z == 0


def test_the_z_test_is_the_root_of_the_chi_square_on_every_side() -> None:
    control, treatment = rate(1380, 8500), rate(1545, 8200)
    table = np.array([[1380, 8500 - 1380], [1545, 8200 - 1545]])
    z = math.sqrt(stats.chi2_contingency(table, correction=False).statistic)
    wanted: dict[Alternative, float] = {"two-sided": 2 * stats.norm.sf(z), "greater": stats.norm.sf(z)}
    for side, p_value in (wanted | {"less": stats.norm.cdf(z)}).items():
        got = checked(pooled_z_test(control, treatment, alternative=side))
        assert (got.z, got.p_value) == pytest.approx((z, p_value))
        assert got.alternative == side


@given(arms, arms, sides)
def test_fishers_test_agrees_with_scipy(left: tuple[int, int], right: tuple[int, int], side: Alternative) -> None:
    got = fisher_test(rate(*left), rate(*right), alternative=side)
    assume(isinstance(got, RateTest))
    table = np.array([[right[0], right[1] - right[0]], [left[0], left[1] - left[0]]])
    assert checked(got).p_value == pytest.approx(
        stats.fisher_exact(table, alternative=side).pvalue, rel=1e-6, abs=1e-300
    )


def test_fishers_test_reproduces_tea_tasting() -> None:
    # tea-tasting's tests of its Proportion metric: 13 of 47 against 19 of 53.
    assert checked(fisher_test(rate(13, 47), rate(19, 53))).p_value == pytest.approx(0.399995, abs=5e-7)


def test_fishers_test_of_a_million_units_is_close_to_the_z_test() -> None:
    control, treatment = rate(400_000, 1_000_000), rate(401_000, 1_000_000)
    exact, normal = checked(fisher_test(control, treatment)), checked(pooled_z_test(control, treatment))
    assert exact.p_value == pytest.approx(normal.p_value, rel=0.01)


def test_fishers_test_refuses_more_tables_than_memory_holds() -> None:
    got = fisher_test(rate(400_000_000, 1_000_000_000), rate(401_000_000, 1_000_000_000))
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE


def test_without_or_with_only_events_there_is_no_test() -> None:
    for test in (pooled_z_test, fisher_test):
        for nothing in (test(NOBODY, NOBODY), test(rate(5, 5), rate(9, 9))):
            assert isinstance(nothing, Unavailable)
            assert nothing.reason is UnavailableReason.NO_VARIANCE


def test_comparing_rates_needs_no_scipy() -> None:
    code = (
        "import sys; from abflow.stats.moments import Moments; from abflow.stats.proportions import *; "
        "arms = [Moments(n=40, mean=k / 40, m2=1.0) for k in (1, 7)]; print(difference_in_proportions(*arms).method); "
        "sys.exit(any(name.startswith('scipy') for name in sys.modules))"
    )
    assert "Fisher" in subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def rate(successes: int, n: int) -> Moments:
    share = successes / n
    return Moments(n=n, mean=share, m2=n * share * (1 - share))


def ends(got: tuple[float, float] | Unavailable) -> tuple[float, float]:
    assert isinstance(got, tuple), got
    return got


def estimated(got: Estimate | Unavailable) -> Estimate:
    assert isinstance(got, Estimate), got
    return got


def checked(got: RateTest | Unavailable) -> RateTest:
    assert isinstance(got, RateTest), got
    return got
