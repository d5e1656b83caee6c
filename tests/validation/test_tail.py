from __future__ import annotations

import math

import numpy as np
import pytest

from abflow.stats.quantile_interval import QuantileLevels
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.validation.tail import LatencyTail, RatioBounds, UnitSums, tail_levels, tail_ratio

Q = 0.95


def sums_of(below: list[int], calls: list[int]) -> UnitSums:
    pairs = list(zip(below, calls, strict=True))
    return UnitSums(
        units=len(calls),
        calls=sum(calls),
        below=sum(below),
        calls_calls=sum(c * c for c in calls),
        below_below=sum(b * b for b in below),
        calls_below=sum(b * c for b, c in pairs),
    )


def tail(p95: float, lower: float, upper: float) -> LatencyTail:
    return LatencyTail(calls=1000, units=1000, p95=p95, lower=lower, upper=upper)


def test_one_call_a_unit_has_the_binomial_error() -> None:
    levels = tail_levels(sums_of([1] * 950 + [0] * 50, [1] * 1000))
    assert isinstance(levels, QuantileLevels)
    assert levels.se == pytest.approx(math.sqrt(0.95 * 0.05 / 999))
    assert levels.upper == pytest.approx(0.95 + 1.6448536 * levels.se)


def test_copies_of_a_call_tell_nothing_new() -> None:
    once = tail_levels(sums_of([1] * 950 + [0] * 50, [1] * 1000))
    tenfold = tail_levels(sums_of([10] * 950 + [0] * 50, [10] * 1000))
    assert isinstance(once, QuantileLevels)
    assert isinstance(tenfold, QuantileLevels)
    assert tenfold.se == pytest.approx(once.se)


def test_equal_latencies_are_not_taken_for_certainty() -> None:
    levels = tail_levels(sums_of([2] * 1000, [2] * 1000))
    assert isinstance(levels, QuantileLevels)
    assert levels.se == pytest.approx(math.sqrt(0.95 * 0.05 / 1000))
    few = tail_levels(sums_of([2] * 20, [2] * 20))
    assert isinstance(few, Unavailable)
    assert few.reason is UnavailableReason.TOO_FEW_UNITS


def test_ratio_recovers_the_errors_of_both_arms_on_the_log_scale() -> None:
    # Symmetric log errors of 3 % and 4 % make 5 %.
    production = tail(100, 100 * math.exp(-0.03), 100 * math.exp(0.03))
    shadow = tail(110, 110 * math.exp(-0.04), 110 * math.exp(0.04))
    got = tail_ratio(production, shadow)
    assert isinstance(got, RatioBounds)
    assert (got.value, got.lower, got.upper) == pytest.approx((1.1, 1.1 * math.exp(-0.05), 1.1 * math.exp(0.05)))


def test_ratio_turned_around_is_the_inverse() -> None:
    one, other = tail(100, 95, 110), tail(130, 120, 150)
    there, back = tail_ratio(one, other), tail_ratio(other, one)
    assert isinstance(there, RatioBounds)
    assert isinstance(back, RatioBounds)
    assert (back.value, back.lower, back.upper) == pytest.approx((1 / there.value, 1 / there.upper, 1 / there.lower))


def test_latency_of_zero_has_no_ratio() -> None:
    got = tail_ratio(tail(0, 0, 0), tail(10, 9, 11))
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.BASELINE_NEAR_ZERO


@pytest.mark.slow
def test_upper_bound_of_the_ratio_holds_95_percent_of_the_time_with_clustered_calls() -> None:
    """300 users with ten calls each, half of the variance between users; both arms have the same true P95."""
    rng = np.random.default_rng(20261001)
    runs, held_above, held_below = 1000, 0, 0
    for _ in range(runs):
        got = tail_ratio(_clustered_tail(rng), _clustered_tail(rng))
        assert isinstance(got, RatioBounds)
        held_above += got.upper >= 1
        held_below += got.lower <= 1
    # 95 % of 1 000 has a standard deviation of 7; the bounds lose about a point to asymptotics, no more.
    assert 920 <= held_above <= 980
    assert 920 <= held_below <= 980


def _clustered_tail(rng: np.random.Generator) -> LatencyTail:
    calls = np.exp(0.5 * rng.normal(size=(300, 1)) + 0.5 * rng.normal(size=(300, 10)))
    p95 = float(np.quantile(calls, Q, method="inverted_cdf"))
    levels = tail_levels(sums_of((calls <= p95).sum(axis=1).tolist(), [10] * 300))
    assert isinstance(levels, QuantileLevels)
    lower, upper = np.quantile(calls, [levels.lower, levels.upper], method="inverted_cdf")
    return LatencyTail(calls=3000, units=300, p95=p95, lower=float(lower), upper=float(upper))
