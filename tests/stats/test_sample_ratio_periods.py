"""Splits by day, and under shares that changed."""

from __future__ import annotations

import itertools
import math
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.sample_ratio_periods import Period, SplitOverTime, log_e_over_periods, split_over_time
from abflow.stats.srm import mixture_log_e, sample_ratio

EVEN = {"control": 1.0, "treatment": 1.0}
Label = TypeVar("Label")
counts = st.integers(20, 3000)


def test_chi_squares_of_periods_with_their_own_shares_add_up() -> None:
    # By scipy, each day against its own shares; the degrees of freedom add up as well.
    days = {1: day(480, 520), 2: day(310, 98, share=0.75), 3: day(90, 160, share=0.3)}
    got = checked(split_over_time(days))
    want = [stats.chisquare([480, 520]), stats.chisquare([310, 98], [306, 102]), stats.chisquare([90, 160], [75, 175])]
    assert got.together.statistic == pytest.approx(sum(float(one.statistic) for one in want))
    assert got.together.p_value == pytest.approx(stats.chi2.sf(sum(float(one.statistic) for one in want), 3))
    assert got.together.dof == 3
    assert got.together.expected == pytest.approx({"control": 500 + 306 + 75, "treatment": 500 + 102 + 175})
    assert {label: one.p_value for label, one in got.by_period.items()} == pytest.approx(
        {label: float(one.pvalue) for label, one in zip(days, want, strict=True)}
    )
    assert got.worst == 3


def test_a_mismatch_that_changes_sides_is_seen_though_the_total_is_right() -> None:
    days = {1: day(560, 440), 2: day(440, 560)}
    assert checked(split_over_time(days)).together.p_value < 1e-6
    total = sample_ratio({"control": 1000, "treatment": 1000}, EVEN)
    assert not isinstance(total, Unavailable)
    assert total.p_value == 1


def test_shares_that_changed_as_planned_are_no_mismatch_though_the_total_looks_like_one() -> None:
    days = {1: day(900, 100, share=0.9), 2: day(100, 100)}
    assert checked(split_over_time(days)).together.p_value > 0.99
    log_e = log_e_over_periods(days.values())
    assert isinstance(log_e, float)
    assert log_e < 0


@given(counts, counts)
def test_one_period_is_the_sample_ratio(left: int, right: int) -> None:
    period = day(left, right, share=0.4)
    plain = sample_ratio(period.counts, period.shares)
    assert checked(split_over_time({"all": period, "none": day(0, 0)})).together == plain
    assert log_e_over_periods([period, day(0, 0)]) == mixture_log_e(period.counts, period.shares)


@given(st.lists(st.tuples(counts, counts), min_size=2, max_size=5))
def test_the_order_of_the_periods_does_not_matter(pairs: list[tuple[int, int]]) -> None:
    days = dict(enumerate(day(*pair) for pair in pairs))
    there, back = (checked(split_over_time(d)) for d in (days, dict(reversed(days.items()))))
    assert back.together.p_value == pytest.approx(there.together.p_value, rel=1e-9)
    assert log_e_over_periods(days.values()) == pytest.approx(log_e_over_periods(reversed(days.values())))


def test_days_with_few_units_are_judged_by_simulated_histories() -> None:
    # Against the exact answer: the chance of all pairs of tables that are at most as probable as the pair seen.
    first, second = stats.binom(6, 0.5), stats.binom(7, 0.2)
    got = checked(split_over_time({1: day(5, 1), 2: day(4, 3, share=0.2)}))
    chance = {(a, b): float(first.pmf(a) * second.pmf(b)) for a, b in itertools.product(range(7), range(8))}
    want = sum(p for p in chance.values() if p <= chance[5, 4] * (1 + 1e-9))
    assert got.together.p_value == pytest.approx(want, abs=4 * math.sqrt(want / 100_000))
    assert got.together.method == "multinomial over periods, 100000 simulated histories"
    assert got == split_over_time({1: day(5, 1), 2: day(4, 3, share=0.2)})


def test_the_product_of_e_values_is_one_on_average_under_shares_that_follow_the_past() -> None:
    # The defining property, summed over all histories of two days; the second day's share depends on the first.
    n, m, average = 12, 9, 0.0
    for a in range(n + 1):
        share = 0.2 + 0.6 * a / n
        for b in range(m + 1):
            chance = float(stats.binom.pmf(a, n, 0.5) * stats.binom.pmf(b, m, share))
            log_e = log_e_over_periods([day(a, n - a), day(b, m - b, share=share)])
            assert isinstance(log_e, float)
            average += chance * math.exp(log_e)
    assert average == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    ("periods", "reason"),
    [
        ([], UnavailableReason.NO_UNITS),
        ([Period(counts={"a": 0}, shares=EVEN)], UnavailableReason.NO_UNITS),
        ([Period(counts={"a": 5}, shares={"a": 1.0})], UnavailableReason.METHOD_NOT_VALID_HERE),
        (
            [Period(counts={"control": 50, "treatment": 50}, shares=EVEN), Period(counts={"x": 5}, shares=EVEN)],
            UnavailableReason.METHOD_NOT_VALID_HERE,
        ),
    ],
)
def test_where_there_is_no_ratio_there_is_no_test(periods: list[Period], reason: UnavailableReason) -> None:
    for got in (split_over_time(dict(enumerate(periods))), log_e_over_periods(periods)):
        assert isinstance(got, Unavailable)
        assert got.reason is reason
        assert got.detail


def test_a_daily_mismatch_of_one_point_shows_in_all_days_together() -> None:
    treatment = np.random.default_rng(1).binomial(5_000, 0.51, size=21)
    days = {i: day(5_000 - int(t), int(t)) for i, t in enumerate(treatment)}
    assert checked(split_over_time(days)).together.p_value < 0.001


def day(control: int, treatment: int, *, share: float = 0.5) -> Period:
    return Period(
        counts={"control": control, "treatment": treatment}, shares={"control": share, "treatment": 1 - share}
    )


def checked(got: SplitOverTime[Label] | Unavailable) -> SplitOverTime[Label]:
    assert isinstance(got, SplitOverTime), got
    return got
