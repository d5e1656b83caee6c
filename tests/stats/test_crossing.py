"""How often a series of looks crosses its bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.crossing import crossing_probabilities, drift_for_power

steps = st.lists(st.floats(0.05, 1), min_size=2, max_size=5)


def test_a_design_with_futility_bounds_reproduces_rpact() -> None:
    # rpact, test-f_design_group_sequential.R: Hwang-Shih-DeCani spending of both errors, shift 7.1015942.
    upper, lower = (2.364813, 2.1928805, 1.5660474), (-1.1063623, -0.35992439, 1.5660474)
    got = crossing_probabilities(upper, (0.2, 0.4, 1), math.sqrt(7.1015942), lower=lower)
    assert got.upper == pytest.approx((0.12038953, 0.20856311, 0.53104735), abs=2e-8)
    assert got.lower[:2] == pytest.approx((0.010777094, 0.016077535), abs=2e-8)
    assert got.expected_information * 1.0869177 == pytest.approx(0.82636428, abs=2e-7)
    assert drift_for_power(upper, (0.2, 0.4, 1), power=0.86, lower=lower) ** 2 == pytest.approx(7.1015942, rel=1e-6)


def test_information_used_on_average_reproduces_rpact() -> None:
    # The same file: linear spending of a one-sided 0.03, for which rpact puts lower bounds at -6.
    bounds, drift = (2.5121443, 2.4228747, 2.0280392), math.sqrt(9.4594101)
    for share, expected in ((1, 0.83081135), (0.5, 1.0142116), (0, 1.0697705)):
        got = crossing_probabilities(bounds, (0.2, 0.4, 1), share * drift, lower=(-6, -6, -6))
        assert got.expected_information * 1.0788327 == pytest.approx(expected, abs=2e-7)
    assert sum(got.upper) == pytest.approx(0.03, abs=1e-7)


@pytest.mark.parametrize("drift", [0.0, 2.8])
def test_the_recursion_agrees_with_the_multivariate_normal(drift: float) -> None:
    fractions, bounds = np.array([0.2, 0.5, 1.1]), np.array([2.6, 2.2, 2.1])
    covariance = np.sqrt(np.minimum.outer(fractions, fractions) / np.maximum.outer(fractions, fractions))
    going = [
        stats.multivariate_normal.cdf(
            bounds[:k],
            mean=drift * np.sqrt(fractions[:k]),
            cov=covariance[:k, :k],
            lower_limit=-bounds[:k],
            abseps=1e-9,
            maxpts=10**7,
            rng=np.random.default_rng(1),
        )
        for k in (1, 2, 3)
    ]
    got = crossing_probabilities(bounds.tolist(), fractions.tolist(), drift)
    stopped = [up + down for up, down in zip(got.upper, got.lower, strict=True)]
    assert stopped == pytest.approx([1 - going[0], going[0] - going[1], going[1] - going[2]], abs=1e-6)


@settings(deadline=None)
@given(steps, st.floats(0, 5), st.floats(1, 4))
def test_turning_the_effect_around_swaps_the_sides(sizes: list[float], drift: float, bound: float) -> None:
    fractions = np.cumsum(sizes).tolist()
    up = crossing_probabilities([bound] * len(sizes), fractions, drift)
    down = crossing_probabilities([bound] * len(sizes), fractions, -drift)
    assert up.upper == pytest.approx(down.lower, abs=1e-12)
    assert up.lower == pytest.approx(down.upper, abs=1e-12)


@settings(deadline=None)
@given(steps, st.floats(-3, 3), st.floats(0.01, 100))
def test_the_unit_of_information_does_not_matter(sizes: list[float], drift: float, by: float) -> None:
    fractions = np.cumsum(sizes)
    plain = crossing_probabilities([2.0] * len(sizes), fractions.tolist(), drift)
    scaled = crossing_probabilities([2.0] * len(sizes), (fractions * by).tolist(), drift / math.sqrt(by))
    assert scaled.upper == pytest.approx(plain.upper, abs=1e-12)
    assert scaled.stopped == pytest.approx(plain.stopped, abs=1e-12)
    assert sum(plain.stopped) == pytest.approx(1)
    assert fractions[0] <= plain.expected_information <= fractions[-1] * (1 + 1e-12)


@settings(deadline=None, max_examples=25)
@given(steps, st.floats(0.1, 0.99))
def test_the_drift_asked_for_gives_the_power_asked_for(sizes: list[float], power: float) -> None:
    fractions, bounds = np.cumsum(sizes).tolist(), [2.4] * len(sizes)
    drift = drift_for_power(bounds, fractions, power=power)
    assert sum(crossing_probabilities(bounds, fractions, drift).upper) == pytest.approx(power, abs=1e-9)


def test_effects_of_any_size_can_be_planned_for() -> None:
    # Mean Z of 1 000 and 1 414: bounds of 2.5 are passed at once, with nobody left for the second look.
    got = crossing_probabilities((2.5, 2.5), (0.5, 1.0), 1414.0)
    assert got.upper == pytest.approx((1.0, 0.0))
    assert got.stopped == pytest.approx((1.0, 0.0))


def test_impossible_designs_are_refused() -> None:
    with pytest.raises(SpecError, match="2 bounds and 2 lower bounds for 3 looks"):
        crossing_probabilities((2.0, 2.0), (0.3, 0.6, 1.0))
    with pytest.raises(SpecError, match="may not lie above"):
        crossing_probabilities((2.0,), (1.0,), lower=(2.5,))
    with pytest.raises(SpecError, match="may not lie above"):
        crossing_probabilities((math.nan,), (1.0,))
    with pytest.raises(SpecError, match="drift nan"):
        crossing_probabilities((2.0,), (1.0,), math.nan)
    for power in (0.02, 1.0):
        with pytest.raises(SpecError, match="must exceed the error level"):
            drift_for_power((2.0,), (1.0,), power=power)
