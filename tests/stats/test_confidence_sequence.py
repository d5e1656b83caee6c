"""Intervals that may be read every day."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from abflow.errors import DataError, SpecError
from abflow.stats.confidence_sequence import (
    SequenceBounds,
    always_valid_p,
    always_valid_p_one_sided,
    one_sided_multiplier,
    rho2,
    sequence_bounds,
    two_sided_multiplier,
)
from abflow.stats.result import Unavailable, UnavailableReason


def test_at_the_planned_size_it_costs_1_92_times_the_units_of_a_fixed_test() -> None:
    at_end = two_sided_multiplier(10_000, alpha=0.05, planned=10_000)
    assert ((at_end + 0.8416212) / (1.9599640 + 0.8416212)) ** 2 == pytest.approx(1.92, abs=0.006)


def test_the_tuning_reproduces_the_paper() -> None:
    # arXiv 2103.06476v9: rho = sqrt((-2 ln a + ln(-2 ln a + 1)) / t*); a = 0.05, t* = 1000 by hand.
    assert math.sqrt(rho2(0.05, planned=1000)) == pytest.approx(math.sqrt((5.9914645 + 1.9446901) / 1000), rel=1e-6)


def test_two_sided_multiplier_by_hand() -> None:
    # n rho² = 7.9361546 at n = N*: sqrt(2 · 8.9361546 / 7.9361546 · ln(sqrt(8.9361546) / 0.05)).
    assert two_sided_multiplier(500, alpha=0.05, planned=500) == pytest.approx(3.0352, abs=5e-5)


def test_one_sided_multiplier_by_hand() -> None:
    # With 2 a = 0.1, n rho² = 6.3288596: sqrt(2 · 7.3288596 / 6.3288596 · ln(1 + sqrt(7.3288596) / 0.1)).
    assert one_sided_multiplier(500, alpha=0.05, planned=500) == pytest.approx(2.7791, abs=5e-5)


@given(st.floats(0.1, 10), st.floats(0.001, 0.1), st.integers(100, 10**6))
def test_a_bound_on_one_side_is_nearer_than_the_ends_of_an_interval(
    progress: float, alpha: float, planned: int
) -> None:
    n = round(progress * planned)
    one = one_sided_multiplier(n, alpha=alpha, planned=planned)
    two = two_sided_multiplier(n, alpha=alpha, planned=planned)
    assert one < two


@given(st.integers(2, 10**6), st.floats(0.001, 0.2))
def test_no_other_tuning_is_much_tighter_at_the_planned_size(planned: int, alpha: float) -> None:
    tuned = two_sided_multiplier(planned, alpha=alpha, planned=planned)
    for factor in (0.25, 0.5, 2, 4):
        other = two_sided_multiplier(planned, alpha=alpha, planned=max(1, round(planned * factor)))
        assert tuned <= other * 1.002


@given(st.floats(-5, 5), st.floats(0.01, 3), st.sampled_from([0.01, 7.0]))
def test_bounds_scale_with_the_unit(value: float, se: float, by: float) -> None:
    plain, scaled = bounds_of(value, se), bounds_of(value * by, se * by)
    assert scaled.lower == pytest.approx(plain.lower * by, rel=1e-9, abs=1e-12)
    assert scaled.two_sided == pytest.approx([end * by for end in plain.two_sided], rel=1e-9, abs=1e-12)
    assert plain.two_sided[0] < plain.lower < value < plain.upper < plain.two_sided[1]


@pytest.mark.parametrize(
    ("value", "se", "units", "nonzero", "reason"),
    [
        (0.1, 0.1, (99, 5000), 500, UnavailableReason.TOO_FEW_UNITS),
        (0.1, 0.1, (5000, 5000), 9, UnavailableReason.TOO_FEW_UNITS),
        (0.1, 0.0, (5000, 5000), 500, UnavailableReason.NO_VARIANCE),
        (math.inf, 0.1, (5000, 5000), 500, UnavailableReason.NOT_FINITE),
        (0.1, math.nan, (5000, 5000), 500, UnavailableReason.NOT_FINITE),
    ],
)
def test_a_sequence_that_cannot_start_says_why(
    value: float, se: float, units: tuple[int, int], nonzero: int, reason: UnavailableReason
) -> None:
    got = sequence_bounds(value, se, units=units, nonzero=nonzero, planned=10_000, alpha=0.05)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(SpecError, match=r"alpha 1\.2"):
        one_sided_multiplier(10, alpha=0.6, planned=100)
    with pytest.raises(SpecError, match="0 planned units"):
        two_sided_multiplier(10, alpha=0.05, planned=0)
    unknown: Any = math.nan
    with pytest.raises(SpecError, match="nan planned units"):
        two_sided_multiplier(10, alpha=0.05, planned=unknown)


@pytest.mark.slow
def test_a_hundred_looks_at_nothing_rarely_find_something_and_ten_naive_ones_often_do() -> None:
    runs, looks = 5_000, 100
    steps = np.random.default_rng(20_261_015).normal(size=(runs, looks))
    z = steps.cumsum(axis=1) / np.sqrt(np.arange(1, looks + 1))
    units = np.arange(1, looks + 1) * 200
    two = np.array([two_sided_multiplier(int(n), alpha=0.05, planned=20_000) for n in units])
    one = np.array([one_sided_multiplier(int(n), alpha=0.05, planned=20_000) for n in units])
    band = 3.29 * math.sqrt(0.05 * 0.95 / runs)
    for ever in ((np.abs(z) > two).any(axis=1), (z > one).any(axis=1)):
        assert 0.005 < ever.mean() <= 0.05 + band
    # Armitage, McPherson, Rowe (1969): ten equally spaced looks reject .1934.
    naive = (np.abs(z[:, 9::10]) > 1.959964).any(axis=1).mean()
    assert naive == pytest.approx(0.1934, abs=3.29 * math.sqrt(0.1934 * 0.8066 / runs))


def bounds_of(value: float, se: float) -> SequenceBounds:
    got = sequence_bounds(value, se, units=(400, 600), nonzero=300, planned=5_000, alpha=0.05)
    assert isinstance(got, SequenceBounds)
    return got


# P-values


@given(st.floats(-8, 8), st.integers(200, 100_000), st.sampled_from([0.01, 0.05]))
def test_the_p_value_is_below_a_level_just_when_the_sequence_leaves_0_out(z: float, n: int, alpha: float) -> None:
    p = always_valid_p(z, 1.0, n=n, planned=10_000, alpha=alpha)
    assert (p < alpha) == (abs(z) > two_sided_multiplier(n, alpha=alpha, planned=10_000))
    one_sided = always_valid_p_one_sided(z, 1.0, n=n, planned=10_000, alpha=alpha)
    assert (one_sided < alpha) == (z > one_sided_multiplier(n, alpha=alpha, planned=10_000))


def test_p_values_stay_probabilities_at_both_ends() -> None:
    assert always_valid_p(0.0, 1.0, n=500, planned=1000, alpha=0.05) == 1.0
    assert always_valid_p_one_sided(-3.0, 1.0, n=500, planned=1000, alpha=0.05) == 1.0
    assert always_valid_p_one_sided(1e-9, 1.0, n=500, planned=1000, alpha=0.05) == 1.0
    assert 0 <= always_valid_p(90.0, 1.0, n=500, planned=1000, alpha=0.05) < 1e-300
    assert 0 <= always_valid_p_one_sided(90.0, 1.0, n=500, planned=1000, alpha=0.05) < 1e-300


@pytest.mark.parametrize(("value", "se"), [(0.1, 0.0), (math.nan, 1.0), (0.1, math.nan), (0.1, math.inf)])
def test_an_estimate_without_an_error_has_no_p_value(value: float, se: float) -> None:
    for p_value in (always_valid_p, always_valid_p_one_sided):
        with pytest.raises(DataError, match="has no p-value"):
            p_value(value, se, n=200, planned=1_000, alpha=0.05)


def test_a_small_arm_waits_until_its_rare_events_are_no_longer_skewed() -> None:
    """By hand: 20 (900 - 100)² / (900 · 100) = 142.2."""
    for units in ((900, 100), (100, 900)):
        early = sequence_bounds(-0.03, 0.006, units=units, nonzero=142, planned=10_000, alpha=0.05)
        assert isinstance(early, Unavailable)
        assert "100 per arm and 143" in early.detail
        assert not isinstance(
            sequence_bounds(-0.03, 0.006, units=units, nonzero=143, planned=10_000, alpha=0.05), Unavailable
        )
    assert not isinstance(
        sequence_bounds(-0.03, 0.006, units=(200, 100), nonzero=10, planned=10_000, alpha=0.05), Unavailable
    )


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_equal_rates_are_rarely_told_apart_by_arms_of_any_size(share: float) -> None:
    """Before a small arm has many events its own spread is unknown: at 0.1 the sequence was wrong 14 % of the time."""
    rng, days, rate = np.random.default_rng(5), 14, 0.01
    per_day = np.rint(2_000 * np.array((1 - share, share))).astype(int)
    wrong = 0
    for _ in range(400):
        events = np.cumsum(rng.binomial(per_day, rate, size=(days, 2)), axis=0)
        wrong += any(_leaves_zero_out(per_day * day, seen, planned=2_000 * days) for day, seen in enumerate(events, 1))
    assert wrong <= 400 * 0.05 + 3.29 * math.sqrt(400 * 0.05 * 0.95)


def _leaves_zero_out(units: NDArray[np.int64], events: NDArray[np.int64], *, planned: int) -> bool:
    rates = events / units
    found = sequence_bounds(
        float(rates[1] - rates[0]),
        math.sqrt(float(np.sum(rates * (1 - rates) / units))),
        units=(int(units[0]), int(units[1])),
        nonzero=int(events.sum()),
        planned=planned,
        alpha=0.05,
    )
    return not isinstance(found, Unavailable) and not found.two_sided[0] <= 0 <= found.two_sided[1]
