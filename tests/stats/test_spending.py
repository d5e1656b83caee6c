"""How the error level is spread over the looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.spending import OBRIEN_FLEMING, OBRIEN_FLEMING_WHOLE, POCOCK, Spending, power_family
from abflow.stats.tails import normal_isf, normal_sf

every = st.sampled_from([OBRIEN_FLEMING, OBRIEN_FLEMING_WHOLE, POCOCK, power_family(1), power_family(3)])


def test_the_tables_of_other_software_come_out() -> None:
    # SeqBounds.jl, README: one-sided 0.05 by the O'Brien-Fleming type.
    got = [OBRIEN_FLEMING.spent(t, tail=0.05) for t in (0.25, 0.5, 0.75)]
    assert got == pytest.approx([8.85754e-5, 0.0055746, 0.0236251], rel=1e-5)
    # rpact, test-f_design_group_sequential.R: Kim-DeMets 2.2 of 0.03.
    got = [power_family(2.2).spent(t, tail=0.03) for t in (0.3, 0.7, 1)]
    assert got == pytest.approx([0.0021222083, 0.013687904, 0.03], rel=1e-7)


def test_pocock_type_by_hand() -> None:
    # 0.025 · ln(1 + 1.7182818 · 0.5) = 0.025 · 0.6201145.
    assert POCOCK.spent(0.5, tail=0.025) == pytest.approx(0.01550286, abs=1e-8)


@given(every, st.floats(0.001, 0.2))
def test_nothing_is_spent_before_the_start_and_everything_by_the_end(spending: Spending, tail: float) -> None:
    assert spending.spent(0, tail=tail) == 0
    assert spending.spent(1, tail=tail) == spending.spent(1.3, tail=tail) == tail
    assert spending.function(1, tail) == pytest.approx(tail, rel=1e-9)


@given(every, st.floats(0.001, 0.2), st.floats(0.001, 1), st.floats(0.001, 1))
def test_spending_never_goes_back(spending: Spending, tail: float, one: float, other: float) -> None:
    early, late = sorted((one, other))
    assert 0 <= spending.spent(early, tail=tail) <= spending.spent(late, tail=tail) <= tail


@given(st.floats(0.01, 0.99), st.floats(0.001, 0.1))
def test_both_sides_at_once_is_the_function_of_the_two_sided_level(fraction: float, tail: float) -> None:
    alpha = 2 * tail
    whole = 2 * normal_sf(normal_isf(alpha / 2) / fraction**0.5)
    assert 2 * OBRIEN_FLEMING_WHOLE.spent(fraction, tail=tail) == pytest.approx(whole, rel=1e-9)
    assert OBRIEN_FLEMING_WHOLE.spent(fraction, tail=tail) > OBRIEN_FLEMING.spent(fraction, tail=tail)


def test_impossible_levels_are_refused() -> None:
    with pytest.raises(SpecError, match=r"error level 0\.5"):
        OBRIEN_FLEMING.spent(0.5, tail=0.5)
    with pytest.raises(SpecError, match="rho 0"):
        power_family(0)
