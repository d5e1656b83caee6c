"""Is a quantile at most a margin worse?"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.noninferiority import MarginBounds
from abflow.stats.quantile_interval import quantile_of_arm
from abflow.stats.quantile_margins import quantile_margin_bounds
from abflow.stats.quantile_rows import QuantileRows, quantile_rows_of
from abflow.stats.quantiles import difference_in_quantiles
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

signs: st.SearchStrategy[Literal[1, -1]] = st.sampled_from((1, -1))


def test_bounds_at_975_are_the_interval_of_the_difference() -> None:
    both = arms(1)
    got = bounds(both, sign=1, margin=-0.5, relative=False, confidence=0.975)
    difference = difference_in_quantiles(*both, 0.9)
    assert isinstance(difference, Estimate)
    assert (got.effect.value, got.effect.se) == pytest.approx((difference.value, difference.se))
    assert (got.effect.lower, got.effect.upper) == pytest.approx((difference.lower, difference.upper))
    assert (got.slack.lower, got.slack.upper) == pytest.approx((difference.lower + 0.5, difference.upper + 0.5))


def test_a_relative_margin_scales_the_controls_quantile() -> None:
    # Zou and Donner's bounds of 1.1 · Q_c - Q_t by hand, from Woodruff's bounds of both.
    both = arms(1)
    got = bounds(both, sign=-1, margin=0.1, relative=True)
    control, treatment = (quantile_of_arm(arm, 0.9, confidence=0.95, sides=1) for arm in both)
    assert not isinstance(control, Unavailable)
    assert not isinstance(treatment, Unavailable)
    value = 1.1 * control.value - treatment.value
    below = math.sqrt((1.1 * (control.value - control.lower)) ** 2 + (treatment.upper - treatment.value) ** 2)
    above = math.sqrt((1.1 * (control.upper - control.value)) ** 2 + (treatment.value - treatment.lower) ** 2)
    assert (got.slack.value, got.slack.lower, got.slack.upper) == pytest.approx((value, value - below, value + above))
    assert got.margin == pytest.approx(0.1 * control.value)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), signs, st.booleans(), st.floats(0.01, 0.5))
def test_the_p_value_is_the_level_at_which_the_bound_touches_zero(
    seed: int, sign: Literal[1, -1], relative: bool, margin: float
) -> None:
    both = arms(seed)
    got = bounds(both, sign=sign, margin=margin, relative=relative)
    assert got.safe == (got.p_value < 0.05)
    assert got.harmed == (got.p_value > 0.95)
    assume(0.001 < got.p_value < 0.5)
    touching = bounds(both, sign=sign, margin=margin, relative=relative, confidence=1 - got.p_value)
    assert touching.slack.lower == pytest.approx(0, abs=0.01 * got.slack.se)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.booleans(), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wider_margin_is_easier_to_keep(seed: int, relative: bool, a: float, b: float) -> None:
    both = arms(seed)
    narrow, wide = (bounds(both, sign=-1, margin=margin, relative=relative) for margin in sorted((a, b)))
    assert wide.p_value <= narrow.p_value + 1e-9
    assert wide.safe or not narrow.safe


def test_a_slower_arm_harms_and_one_as_fast_is_safe() -> None:
    assert bounds(arms(1, times=1.5), sign=-1, margin=0.1, relative=True).harmed
    assert bounds(arms(1, units=2000), sign=-1, margin=0.2, relative=True).safe
    # For a metric of which more is better, the same rise is no harm.
    assert bounds(arms(1, times=1.5), sign=1, margin=0.1, relative=True).safe


def test_the_sign_of_the_margin_is_not_read() -> None:
    assert bounds(arms(1), sign=-1, margin=0.1, relative=True) == bounds(arms(1), sign=-1, margin=-0.1, relative=True)


def test_a_p_value_beyond_the_data_is_not_claimed() -> None:
    both = arms(1, units=40)
    got = bounds(both, sign=-1, margin=50.0, relative=False)
    assert got.safe
    # However wide the margin, no bound is read from beyond the largest value.
    largest = max(math.sqrt(arm.at_own.linearised().variance / 40) for arm in both)
    assert got.p_value == pytest.approx(stats.norm.sf(0.1 / largest), rel=1e-3)


def test_a_negative_control_has_no_relative_margin() -> None:
    rng = np.random.default_rng(1)
    both = quantile_rows_of([(np.arange(200), -rng.lognormal(size=200)) for _ in range(2)], 0.5)
    assert not isinstance(both, Unavailable)
    got = quantile_margin_bounds(both[0], both[1], 0.5, sign=1, margin=-0.1, relative=True)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE


def test_too_few_units_say_so() -> None:
    got = quantile_margin_bounds(*arms(1, units=9), 0.9, sign=-1, margin=0.1, relative=True)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.TOO_FEW_UNITS


def test_a_margin_must_be_a_number() -> None:
    with pytest.raises(SpecError, match="margin inf"):
        quantile_margin_bounds(*arms(1), 0.9, sign=-1, margin=math.inf, relative=False)


def arms(seed: int, *, units: int = 300, times: float = 1.0) -> tuple[QuantileRows, QuantileRows]:
    """Lognormal latencies of 5 rows per unit; half of the log variance is the unit's own."""
    rng = np.random.default_rng(seed)
    logs = math.sqrt(0.5) * (rng.normal(size=(2, units, 1)) + rng.normal(size=(2, units, 5)))
    unit = np.repeat(np.arange(units), 5)
    got = quantile_rows_of([(unit, np.exp(logs[0].ravel())), (unit, times * np.exp(logs[1].ravel()))], 0.9)
    assert not isinstance(got, Unavailable), got
    return got[0], got[1]


def bounds(
    both: tuple[QuantileRows, QuantileRows],
    *,
    sign: Literal[1, -1],
    margin: float,
    relative: bool,
    confidence: float = 0.95,
) -> MarginBounds:
    got = quantile_margin_bounds(*both, 0.9, sign=sign, margin=margin, relative=relative, confidence=confidence)
    assert isinstance(got, MarginBounds), got
    return got
