"""What methods take in units, proved by recursion over their looks and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.confidence_sequence import one_sided_multiplier, two_sided_multiplier
from abflow.stats.crossing import crossing_probabilities
from abflow.stats.group_sequential import evenly
from abflow.stats.units_factor import ALWAYS_VALID, SPRT, bound_factor, history_factor

Z_ALPHA, Z_ONE_SIDED, Z_POWER = 1.959964, 1.644854, 0.841621
WIN, GIVE_UP = math.log(0.8 / 0.025), math.log(0.2 / 0.975)
UNITS = 1_000_000  # of both arms; the multiplier at a look depends on the share of them alone


def drift(factor: float) -> float:
    """Mean of Z at the end of a test with so many times the units of one plain look."""
    return (Z_ALPHA + Z_POWER) * math.sqrt(factor)


def sequence(looks: int) -> list[float]:
    return [two_sided_multiplier(round(UNITS * at), alpha=0.05, planned=UNITS) for at in evenly(looks)]


def sprt(looks: int, of: float) -> tuple[list[float], list[float]]:
    """Bounds of Z at which the likelihood ratio for the planned effect wins, or is given up."""
    win, give_up = (
        [(bound + of * of * at / 2) / (of * math.sqrt(at)) for at in evenly(looks)] for bound in (WIN, GIVE_UP)
    )
    return win, give_up


def test_a_confidence_sequence_has_its_power_by_the_last_day_alone() -> None:
    last = sequence(1)[0]
    assert ((last + Z_POWER) / (Z_ALPHA + Z_POWER)) ** 2 == pytest.approx(ALWAYS_VALID, abs=0.006)
    power = crossing_probabilities([last], [1.0], drift(ALWAYS_VALID)).upper[0]
    assert power == pytest.approx(0.80, abs=0.002)
    assert power >= 0.80


@pytest.mark.parametrize("days", [7, 14, 28])
def test_daily_looks_only_add_power_to_a_confidence_sequence(days: int) -> None:
    bounds = sequence(days)
    # The other end may rule the planned effect out first, and the arm is then rejected.
    excluded = [drift(ALWAYS_VALID) * math.sqrt(at) - bound for at, bound in zip(evenly(days), bounds, strict=True)]
    lower = [min(pair) for pair in zip(excluded, bounds, strict=True)]
    found = sum(crossing_probabilities(bounds, evenly(days), drift(ALWAYS_VALID), lower=lower).upper)
    assert 0.80 <= found <= 0.86


@pytest.mark.parametrize("days", [7, 14, 21, 28])
def test_a_truncated_sprt_keeps_its_power_although_it_may_give_up_early(days: int) -> None:
    win, give_up = sprt(days, drift(SPRT))
    crossings = crossing_probabilities(win, evenly(days), drift(SPRT), lower=give_up)
    assert sum(crossings.upper) == pytest.approx(0.80, abs=0.005)
    shorter = crossing_probabilities(win, evenly(days), drift(1.0), lower=give_up)
    assert sum(shorter.upper) < 0.75  # the factor is needed
    none = crossing_probabilities(win, evenly(days), 0.0, lower=give_up)
    assert sum(none.upper) <= 0.025


@pytest.mark.slow
def test_simulated_paths_agree_with_the_recursion() -> None:
    runs, days = 40_000, 14
    rng = np.random.default_rng(20_261_122)
    at = np.array(evenly(days))
    noise = np.cumsum(rng.standard_normal((runs, days)), axis=1) / math.sqrt(days)
    band = 3.29 * math.sqrt(0.8 * 0.2 / runs)

    z = noise / np.sqrt(at) + drift(ALWAYS_VALID) * np.sqrt(at)
    assert (z[:, -1] >= sequence(days)[-1]).mean() == pytest.approx(0.80, abs=band + 0.0015)
    assert (z >= sequence(days)).any(axis=1).mean() >= 0.80

    of = drift(SPRT)
    log_ratio = of * (noise + of * at) - of * of * at / 2
    won, given_up = log_ratio >= WIN, log_ratio <= GIVE_UP
    first_win = np.where(won.any(axis=1), won.argmax(axis=1), days)
    first_end = np.where(given_up.any(axis=1), given_up.argmax(axis=1), days)
    assert (first_win < first_end).mean() == pytest.approx(0.80, abs=band + 0.001)


def test_a_margin_that_may_be_shown_on_any_day_takes_twice_the_units() -> None:
    # One-sided multiplier at the planned end, arXiv 2103.06476: sqrt(2 (s+1)/s ln(1 + sqrt(s+1)/(2a))) with
    # s = -2 ln 2a + ln(1 - 2 ln 2a) = 6.329 at a = 0.05.
    s = -2 * math.log(0.1) + math.log(1 - 2 * math.log(0.1))
    multiplier = math.sqrt(2 * (s + 1) / s * math.log(1 + math.sqrt(s + 1) / 0.1))
    want = ((multiplier + Z_POWER) / (Z_ONE_SIDED + Z_POWER)) ** 2
    assert bound_factor(alpha=0.05, power=0.8) == pytest.approx(want, rel=1e-6)
    assert bound_factor(alpha=0.05, power=0.8) == pytest.approx(2.12, abs=0.005)


@given(st.floats(0.001, 0.2), st.floats(0.55, 0.95))
def test_a_margin_with_so_many_units_is_shown_on_the_last_day_as_often_as_promised(alpha: float, power: float) -> None:
    factor = bound_factor(alpha=alpha, power=power)
    assert factor > 1
    bound = one_sided_multiplier(UNITS, alpha=alpha, planned=UNITS)
    once = _drift_of_one_look(alpha, power)
    assert crossing_probabilities([bound], [1.0], once * math.sqrt(factor)).upper[0] == pytest.approx(power, abs=1e-9)


def _drift_of_one_look(alpha: float, power: float) -> float:
    return float(stats.norm.isf(alpha) + stats.norm.isf(1 - power))


@given(st.floats(0.55, 0.9), st.floats(1.001, 1.05))
def test_a_surer_margin_takes_a_smaller_factor(power: float, more: float) -> None:
    assert bound_factor(alpha=0.05, power=power * more) < bound_factor(alpha=0.05, power=power)


@pytest.mark.parametrize(("correlation", "left"), [(0.0, 1.0), (0.5, 0.75), (-0.6, 0.64), (0.8, 0.36)])
def test_history_leaves_one_minus_the_squared_correlation(correlation: float, left: float) -> None:
    assert history_factor(correlation) == pytest.approx(left)


def test_impossible_levels_and_correlations_are_refused() -> None:
    for correlation in (1.0, -1.0, 2.0, math.nan):
        with pytest.raises(SpecError, match="correlation"):
            history_factor(correlation)
    with pytest.raises(SpecError, match=r"alpha 0\.6"):
        bound_factor(alpha=0.6, power=0.8)
    with pytest.raises(SpecError, match="power 1"):
        bound_factor(alpha=0.05, power=1.0)
