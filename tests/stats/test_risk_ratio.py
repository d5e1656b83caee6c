"""Risk ratios with an interval on the log scale."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import contingency

from abflow.stats.moments import EMPTY, Moments
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.risk_ratio import RiskRatio, risk_ratio

arms = st.integers(2, 500).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n)))


def test_the_physicians_health_study_is_reproduced() -> None:
    # Heart attacks: 104 of 11 037 with aspirin, 189 of 11 034 with placebo; Agresti (2007), An Introduction to
    # Categorical Data Analysis, section 2.2.3: placebo over aspirin 1.82, interval (1.43, 2.31).
    got = computed(risk_ratio(rate(104, 11_037), rate(189, 11_034)))
    assert got.value == pytest.approx(1.82, abs=5e-3)
    assert got.interval == pytest.approx((1.43, 2.31), abs=5e-3)
    assert got.log.p_value < 1e-5


@given(arms, arms)
def test_the_interval_agrees_with_scipy(left: tuple[int, int], right: tuple[int, int]) -> None:
    got = computed(risk_ratio(rate(*left), rate(*right), confidence=0.9))
    want = contingency.relative_risk(*right, *left)
    interval = want.confidence_interval(0.9)
    assert got.value == pytest.approx(want.relative_risk)
    assert got.interval == pytest.approx((interval.low, interval.high))


@given(arms, arms)
def test_swapping_the_arms_inverts_the_ratio(left: tuple[int, int], right: tuple[int, int]) -> None:
    there, back = computed(risk_ratio(rate(*left), rate(*right))), computed(risk_ratio(rate(*right), rate(*left)))
    assert back.value == pytest.approx(1 / there.value)
    assert back.interval == pytest.approx((1 / there.interval[1], 1 / there.interval[0]))
    assert back.log.p_value == pytest.approx(there.log.p_value)


@given(arms, arms)
def test_the_interval_excludes_one_exactly_when_p_is_small(left: tuple[int, int], right: tuple[int, int]) -> None:
    got = computed(risk_ratio(rate(*left), rate(*right)))
    if not math.isclose(got.log.p_value, 0.05, rel_tol=1e-9):
        assert (got.log.p_value < 0.05) == (not got.interval[0] <= 1 <= got.interval[1])


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ((0, 10), (3, 10), UnavailableReason.ZERO_DENOMINATOR),
        ((0, 10), (0, 10), UnavailableReason.ZERO_DENOMINATOR),
        ((3, 10), (0, 10), UnavailableReason.METHOD_NOT_VALID_HERE),
        ((10, 10), (7, 7), UnavailableReason.NO_VARIANCE),
    ],
)
def test_an_arm_without_events_has_no_ratio(
    control: tuple[int, int], treatment: tuple[int, int], reason: UnavailableReason
) -> None:
    got = risk_ratio(rate(*control), rate(*treatment))
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert got.detail


def test_one_arm_in_which_all_have_the_event_is_enough() -> None:
    assert computed(risk_ratio(rate(10, 10), rate(5, 10))).interval[1] < 1
    assert isinstance(risk_ratio(EMPTY, rate(5, 10)), Unavailable)


def rate(successes: int, n: int) -> Moments:
    return Moments(n=n, mean=successes / n, m2=successes * (n - successes) / n)


def computed(got: RiskRatio | Unavailable) -> RiskRatio:
    assert isinstance(got, RiskRatio), got
    return got
