"""Bounds for a few looks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.crossing import crossing_probabilities
from abflow.stats.group_sequential import (
    Look,
    evenly,
    inflation_factor,
    naive_error,
    next_look,
    obrien_fleming_constant,
    pocock_constant,
    spending_bounds,
    wang_tsiatis_bounds,
)
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.spending import OBRIEN_FLEMING, OBRIEN_FLEMING_WHOLE, POCOCK, Spending, power_family
from abflow.stats.tails import normal_isf, normal_sf

steps = st.lists(st.floats(0.05, 1), min_size=1, max_size=5)
levels = st.floats(0.001, 0.2)
rules = st.sampled_from([OBRIEN_FLEMING, OBRIEN_FLEMING_WHOLE, POCOCK, power_family(2)])


def test_classical_constants_are_those_of_the_textbook() -> None:
    # Jennison, Turnbull (2000), tables 2.1 and 2.3, with one more digit.
    pocock = [pocock_constant(looks, alpha=0.05) for looks in (1, 2, 3, 4, 5)]
    assert pocock == pytest.approx([1.9600, 2.1783, 2.2895, 2.3613, 2.4132], abs=5e-5)
    last = [obrien_fleming_constant(looks, alpha=0.05) for looks in (2, 3, 4, 5)]
    assert last == pytest.approx([1.9774, 2.0040, 2.0243, 2.0401], abs=5e-5)
    four = wang_tsiatis_bounds(evenly(4), alpha=0.05, shape=0)
    assert four == pytest.approx((4.0486, 2.8628, 2.3375, 2.0243), abs=7e-5)


def test_posterior_thresholds_for_several_looks_are_tails_of_pococks_constant() -> None:
    got = [1 - normal_sf(pocock_constant(looks, alpha=0.05)) for looks in (1, 2, 3, 4, 5)]
    assert got == pytest.approx([0.975, 0.9853, 0.9890, 0.9909, 0.9921], abs=5e-5)


@pytest.mark.parametrize(
    ("looks", "spending", "bounds"),
    [
        # ldbounds, gsDesign and rpact agree on the first three.
        (evenly(5), OBRIEN_FLEMING, (4.8769, 3.3570, 2.6803, 2.2898, 2.0310)),
        (evenly(3), OBRIEN_FLEMING, (3.7103, 2.5114, 1.9930)),
        (evenly(5), POCOCK, (2.4380, 2.4268, 2.4102, 2.3966, 2.3860)),
        # expan's tests: the two-sided level spent at once.
        (evenly(5), OBRIEN_FLEMING_WHOLE, (4.3826, 3.0997, 2.5534, 2.2538, 2.0635)),
    ],
)
def test_spending_bounds_are_those_of_standard_software(
    looks: tuple[float, ...], spending: Spending, bounds: tuple[float, ...]
) -> None:
    assert spending_bounds(looks, alpha=0.05, spending=spending) == pytest.approx(bounds, abs=6e-5)


def test_uneven_looks_reproduce_rpact() -> None:
    # rpact, test-f_design_group_sequential.R, one-sided 0.03; the second side moves the last bounds by 2e-5.
    got = spending_bounds((0.2, 0.4, 1), alpha=0.06, spending=power_family(1))
    assert got == pytest.approx((2.5121443, 2.4228747, 2.0280392), abs=2e-5)
    got = spending_bounds((0.3, 0.7, 1), alpha=0.06, spending=power_family(2.2))
    assert got == pytest.approx((2.8594012, 2.2435708, 1.9735737), abs=2e-6)


def test_uneven_looks_at_another_level_reproduce_seqbounds() -> None:
    # SeqBounds.jl, README: one-sided 0.05 on a coarse grid.
    got = spending_bounds((0.25, 0.5, 0.75, 1), alpha=0.1)
    assert got == pytest.approx((3.74955, 2.53993, 2.01604, 1.72014), abs=5e-5)


def test_naive_looks_err_as_often_as_armitage_mcpherson_and_rowe_say() -> None:
    got = [naive_error(looks, alpha=0.05) for looks in (1, 2, 3, 4, 5, 10, 20)]
    assert got == pytest.approx([0.0500, 0.0831, 0.1073, 0.1262, 0.1417, 0.1934, 0.2479], abs=5e-5)


def test_the_price_in_units_is_that_of_sas_and_rpact() -> None:
    # SAS SEQDESIGN: maximum information over fixed at four looks and power 0.90.
    pocock = [pocock_constant(4, alpha=0.05)] * 4
    assert inflation_factor(evenly(4), alpha=0.05, power=0.9, bounds=pocock) == pytest.approx(1.1831, abs=5e-5)
    obf = wang_tsiatis_bounds(evenly(4), alpha=0.05, shape=0)
    assert inflation_factor(evenly(4), alpha=0.05, power=0.9, bounds=obf) == pytest.approx(1.0222, abs=5e-5)
    # rpact, one-sided 0.03 spent linearly.
    linear = inflation_factor((0.2, 0.4, 1), alpha=0.06, power=0.86, spending=power_family(1))
    assert linear == pytest.approx(1.0788327, abs=3e-5)


@settings(deadline=None)
@given(levels, st.floats(0.3, 0.99))
def test_one_look_is_the_fixed_test(alpha: float, power: float) -> None:
    fixed = normal_isf(alpha / 2)
    assert spending_bounds((1.0,), alpha=alpha) == pytest.approx((fixed,))
    assert pocock_constant(1, alpha=alpha) == obrien_fleming_constant(1, alpha=alpha) == pytest.approx(fixed)
    # One side of the fixed formula: a chance to win by the wrong side is not power.
    assert inflation_factor((1.0,), alpha=alpha, power=power) == pytest.approx(1, rel=1e-6)


@settings(deadline=None)
@given(steps, levels, rules)
def test_the_error_level_is_spent_to_the_last_digit(sizes: list[float], alpha: float, spending: Spending) -> None:
    fractions = fractions_of(sizes)
    found = crossing_probabilities(spending_bounds(fractions, alpha=alpha, spending=spending), fractions)
    so_far = np.cumsum(found.upper)
    want = [spending.spent(fraction, tail=alpha / 2) for fraction in fractions]
    assert so_far == pytest.approx(want, abs=1e-11)
    assert so_far[-1] == pytest.approx(alpha / 2, rel=1e-9)
    assert found.lower == pytest.approx(found.upper, abs=1e-13)


@settings(deadline=None)
@example(sizes=[0.05, 0.8034003621899158], alpha=0.015625, shape=0.0)  # the first look never ends the test
@given(steps, levels, st.floats(0, 0.5))
def test_shaped_bounds_keep_the_level_and_the_shape(sizes: list[float], alpha: float, shape: float) -> None:
    fractions = fractions_of(sizes)
    bounds = wang_tsiatis_bounds(fractions, alpha=alpha, shape=shape)
    assert 2 * sum(crossing_probabilities(bounds, fractions).upper) == pytest.approx(alpha, rel=1e-7)
    for bound, fraction in zip(bounds, fractions, strict=True):
        assert bound == pytest.approx(bounds[-1] * (fraction / fractions[-1]) ** (shape - 0.5))


@settings(deadline=None, max_examples=30)
@given(steps, levels, st.floats(0.5, 1.5))
def test_looks_taken_one_by_one_have_the_planned_bounds(sizes: list[float], alpha: float, end: float) -> None:
    # With `end` above 1 the last look is an over-run, below 1 the looks stop short of the plan.
    fractions = [fraction * end for fraction in fractions_of(sizes) if fraction * end < 1 or fraction == 1]
    assert [look.bound for look in taken(fractions, alpha=alpha)] == pytest.approx(
        spending_bounds(fractions, alpha=alpha), abs=1e-9
    )


@settings(deadline=None)
@given(steps, st.floats(0.3, 1.5))
def test_the_last_look_spends_what_is_left(sizes: list[float], end: float) -> None:
    fractions = [fraction * end for fraction in fractions_of(sizes) if fraction * end < 1 or fraction == 1]
    looks = taken(fractions, alpha=0.05, last=True)
    bounds = [look.bound for look in looks]
    assert looks[-1].spent == 0.025
    assert sum(crossing_probabilities(bounds, fractions).upper) == pytest.approx(0.025, abs=1e-11)


def test_a_look_is_crossed_on_either_side_at_its_bound() -> None:
    look = Look(fraction=0.5, bound=2.5, spent=0.01)
    assert [look.crossed(z) for z in (-2.6, -2.5, -2.4, 0.0, 2.4, 2.5, 2.6)] == [True, True, *[False] * 3, True, True]


def test_a_missed_look_keeps_its_error_level_for_the_next() -> None:
    planned, missed = taken((0.25, 0.5, 0.75), alpha=0.05), taken((0.25, 0.75), alpha=0.05)
    assert missed[-1].spent == planned[-1].spent
    assert missed[-1].bound < planned[-1].bound


def test_an_over_run_is_weighed_against_the_larger_number() -> None:
    # A second look at twice the plan correlates less with the first, so its bound is higher.
    on_time, over = spending_bounds((0.5, 1.0), alpha=0.05), spending_bounds((0.5, 2.0), alpha=0.05)
    assert over[0] == on_time[0]
    assert normal_isf(0.025) < on_time[1] < over[1]


def test_after_everything_is_spent_no_bound_can_be_reached() -> None:
    early = taken((0.5, 1.02), alpha=0.05)
    final = looked(next_look(early, 1.3, alpha=0.05, last=True))
    assert final.spent == 0.025
    assert not final.crossed(30.0)


def test_the_last_look_is_taken_though_nobody_came_since() -> None:
    early = taken((0.5, 0.9), alpha=0.05)
    for fraction in (0.9, 0.89):
        final = looked(next_look(early, fraction, alpha=0.05, last=True))
        bounds, fractions = zip(*((look.bound, look.fraction) for look in (*early, final)), strict=True)
        assert sum(crossing_probabilities(bounds, fractions).upper) == pytest.approx(0.025, abs=1e-11)
        assert final.bound < early[-1].bound


@pytest.mark.parametrize(
    ("fraction", "reason"),
    [
        (0.0, UnavailableReason.NO_UNITS),
        (0.5, UnavailableReason.TOO_FEW_UNITS),
        (0.4, UnavailableReason.TOO_FEW_UNITS),
        (math.nan, UnavailableReason.NOT_FINITE),
        (math.inf, UnavailableReason.NOT_FINITE),
    ],
)
def test_a_look_that_cannot_be_taken_says_why(fraction: float, reason: UnavailableReason) -> None:
    got = next_look(taken((0.25, 0.5), alpha=0.05), fraction, alpha=0.05)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_looks_too_early_to_spend_anything_do_no_harm() -> None:
    got = spending_bounds((1e-4, 2e-4, 0.02, 1.0), alpha=0.05)
    assert got[:2] == (38.0, 38.0)
    # 2.2414 / sqrt(0.02): the first look that spends anything a double can hold.
    assert got[2] == pytest.approx(normal_isf(0.0125) / math.sqrt(0.02), rel=0.02)
    assert got[3] == pytest.approx(normal_isf(0.025), abs=1e-6)


def test_hundreds_of_looks_are_spent_right() -> None:
    fractions = evenly(200)
    found = crossing_probabilities(spending_bounds(fractions, alpha=0.05), fractions)
    assert sum(found.upper) == pytest.approx(0.025, abs=1e-11)


def test_impossible_plans_are_refused() -> None:
    for alpha in (0.0, 1.0, math.nan):
        with pytest.raises(SpecError, match="alpha"):
            spending_bounds((0.5, 1.0), alpha=alpha)
    with pytest.raises(SpecError, match="increasing"):
        spending_bounds((0.5, 0.5, 1.0), alpha=0.05)
    with pytest.raises(SpecError, match="only the last look may reach 1"):
        spending_bounds((0.5, 1.0, 1.2), alpha=0.05)
    with pytest.raises(SpecError, match="0 looks"):
        pocock_constant(0, alpha=0.05)
    with pytest.raises(SpecError, match=r"shape 0\.7"):
        wang_tsiatis_bounds((0.5, 1.0), alpha=0.05, shape=0.7)
    with pytest.raises(SpecError, match="power 1"):
        inflation_factor((0.5, 1.0), alpha=0.05, power=1.0)


def fractions_of(sizes: Sequence[float]) -> tuple[float, ...]:
    """Looks at these distances, the last at 1."""
    ends = np.cumsum(sizes)
    return tuple((ends / ends[-1]).tolist())


def taken(fractions: Sequence[float], *, alpha: float, last: bool = False) -> tuple[Look, ...]:
    looks: tuple[Look, ...] = ()
    for fraction in fractions:
        final = last and fraction == fractions[-1]
        looks = (*looks, looked(next_look(looks, fraction, alpha=alpha, last=final)))
    return looks


def looked(got: Look | Unavailable) -> Look:
    assert isinstance(got, Look), got
    return got
