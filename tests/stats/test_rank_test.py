"""Mann-Whitney, and the chance that one arm's unit beats the other's."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.nonparametric import rank_compare_2indep

from abflow.errors import SpecError
from abflow.stats.rank_test import RankTest, rank_test
from abflow.stats.result import Unavailable, UnavailableReason

tied = st.lists(st.integers(0, 6).map(float), min_size=2, max_size=40)
untied = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=25, unique=True)


def test_the_pain_scores_of_brunner_and_munzel_are_reproduced() -> None:
    # Brunner and Munzel (2000) as R's lawstat::brunner.munzel.test prints them (corrected by Neubert and Brunner 2007).
    first = [1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1]
    second = [3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4]
    got = ranked(rank_test(first, second))
    assert got.superiority == pytest.approx(0.788961, abs=5e-7)
    assert got.interval == pytest.approx((0.5952169, 0.9827052), abs=5e-8)


@given(tied, tied)
def test_with_ties_the_p_value_is_scipys(left: list[float], right: list[float]) -> None:
    assume(len({*left, *right}) > 1 and len({*left, *right}) < len(left) + len(right))
    want = stats.mannwhitneyu(right, left, method="asymptotic")
    got = ranked(rank_test(left, right))
    assert got.p_value == pytest.approx(min(want.pvalue, 1), rel=1e-9)
    assert got.superiority == pytest.approx(want.statistic / len(left) / len(right))
    assert got.method == "Mann-Whitney, Brunner-Munzel interval"


@given(untied, untied)
def test_without_ties_the_p_value_is_scipys_exact_when_an_arm_is_small(left: list[float], right: list[float]) -> None:
    assume(not {*left} & {*right})
    got = ranked(rank_test(left, right))
    assert got.p_value == pytest.approx(stats.mannwhitneyu(right, left).pvalue, rel=1e-9)
    assert ("exact" in got.method) is (min(len(left), len(right)) <= 8)


@pytest.mark.parametrize(("small", "exact"), [(2, True), (8, True), (9, False)])
def test_the_p_value_is_exact_up_to_eight_units_in_an_arm(small: int, exact: bool) -> None:
    values = np.random.default_rng(small).permutation(30.0 + np.arange(small + 12))
    for arms in ((values[:small], values[small:]), (values[small:], values[:small])):
        got = ranked(rank_test(*arms))
        assert ("exact" in got.method) is exact
        assert got.p_value == pytest.approx(stats.mannwhitneyu(*arms).pvalue)


def test_the_exact_p_value_is_the_share_of_all_orders() -> None:
    # From the definition: every way to choose the treatment's ranks out of nine.
    wins = {
        ranks: sum(one > other for one in ranks for other in set(range(9)) - set(ranks))
        for ranks in itertools.combinations(range(9), 4)
    }
    for ranks, seen in wins.items():
        extreme = min(seen, 20 - seen)
        want = sum(min(other, 20 - other) <= extreme for other in wins.values()) / len(wins)
        control = [rank for rank in range(9) if rank not in ranks]
        assert ranked(rank_test(control, ranks)).p_value == pytest.approx(want)


@given(tied, tied, st.sampled_from([0.6, 0.9, 0.99]))
def test_the_interval_is_statsmodels(left: list[float], right: list[float], confidence: float) -> None:
    got = rank_test(left, right, confidence=confidence)
    assume(isinstance(got, RankTest) and not isinstance(got.interval, Unavailable))
    want = rank_compare_2indep(right, left)
    low, high = want.conf_int(alpha=1 - confidence)
    assert ranked(got).interval == pytest.approx((max(low, 0), min(high, 1)), abs=1e-9)


@given(tied, tied)
def test_the_interval_holds_a_half_when_scipys_brunner_munzel_test_accepts(
    left: list[float], right: list[float]
) -> None:
    got = rank_test(left, right)
    assume(isinstance(got, RankTest) and not isinstance(got.interval, Unavailable))
    low, high = ends(got)
    assert (low <= 0.5 <= high) is bool(stats.brunnermunzel(left, right).pvalue >= 0.05)


@given(untied, untied)
def test_swapping_the_arms_turns_the_chance_around(left: list[float], right: list[float]) -> None:
    there, back = ranked(rank_test(left, right)), ranked(rank_test(right, left))
    assert back.superiority == pytest.approx(1 - there.superiority)
    assert back.p_value == pytest.approx(there.p_value)
    if not isinstance(there.interval, Unavailable):
        assert ends(back) == pytest.approx((1 - there.interval[1], 1 - there.interval[0]))


@given(untied, untied)
def test_only_the_order_of_the_values_matters(left: list[float], right: list[float]) -> None:
    bent_left, bent_right = np.arctan(np.array(left) / 500), np.arctan(np.array(right) / 500)
    assume(len({*bent_left, *bent_right}) == len({*left, *right}))
    assert ranked(rank_test(bent_left, bent_right)) == ranked(rank_test(left, right))


def test_a_difference_of_means_may_not_be_one_of_ranks() -> None:
    # One unit in ten spends 100 times as much: means differ by a factor of 10, ranks hardly.
    control = np.arange(1.0, 1001.0)
    treatment = np.where(np.arange(1000) % 10 == 9, 100 * control, control)
    got = ranked(rank_test(control, treatment))
    assert 0.54 < got.superiority < 0.56
    assert treatment.mean() > 10 * control.mean()


def test_arms_that_do_not_overlap_have_a_p_value_and_no_interval() -> None:
    got = ranked(rank_test([1, 2, 3, 4, 5], [6, 7, 8, 9]))
    assert got.superiority == 1
    assert got.p_value == pytest.approx(2 / math.comb(9, 4))
    assert isinstance(got.interval, Unavailable)
    assert got.interval.reason is UnavailableReason.NO_VARIANCE


def test_two_million_units_keep_their_digits() -> None:
    # n·m and the cubes of ties are far beyond what 64-bit integers and single precision hold.
    rng = np.random.default_rng(5)
    values = rng.poisson(0.05, size=2_000_000).astype(np.float64)
    got = ranked(rank_test(values[:1_000_000], values[1_000_000:]))
    want = stats.mannwhitneyu(values[1_000_000:], values[:1_000_000])
    assert got.p_value == pytest.approx(want.pvalue, rel=1e-6)


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([], [1.0, 2.0], UnavailableReason.NO_UNITS),
        ([1.0], [1.0, 2.0], UnavailableReason.TOO_FEW_UNITS),
        ([3.0] * 20, [3.0] * 30, UnavailableReason.NO_VARIANCE),
        ([1.0, math.nan], [1.0, 2.0], UnavailableReason.NOT_FINITE),
        ([1.0, 2.0], [1.0, -math.inf], UnavailableReason.NOT_FINITE),
    ],
)
def test_where_there_are_no_ranks_the_reason_is_said(
    control: list[float], treatment: list[float], reason: UnavailableReason
) -> None:
    got = rank_test(control, treatment)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert got.detail


def test_a_confidence_in_percent_is_refused() -> None:
    with pytest.raises(SpecError, match="confidence 95"):
        rank_test([1.0, 2.0], [1.0, 3.0], confidence=95)


def ranked(got: RankTest | Unavailable) -> RankTest:
    assert isinstance(got, RankTest), got
    return got


def ends(got: RankTest | Unavailable) -> tuple[float, float]:
    interval = ranked(got).interval
    assert not isinstance(interval, Unavailable), interval
    return interval
