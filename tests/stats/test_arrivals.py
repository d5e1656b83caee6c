"""From one look to the next."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats import arrivals
from abflow.stats.arrivals import FARTHEST, apart, each_look, first_look
from abflow.stats.tails import normal_isf, normal_sf

steps = st.lists(st.floats(0.02, 1), min_size=1, max_size=6)


@settings(deadline=None)
@given(st.floats(0.01, 2), st.floats(-5, 5), st.floats(-6, 6))
def test_the_first_look_is_one_normal(fraction: float, drift: float, z: float) -> None:
    look = first_look(fraction, drift=drift)
    assert look.above(z) == pytest.approx(normal_sf(z - drift * math.sqrt(fraction)), rel=1e-12)
    assert look.above(z) + look.below(z) == pytest.approx(1, abs=1e-15)


@settings(deadline=None)
@given(steps, st.floats(-4, 4) | st.sampled_from([-80.0, 80.0]))
def test_runs_that_nothing_stops_are_as_if_nobody_had_looked(sizes: list[float], drift: float) -> None:
    fractions = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    *_, last = each_look(fractions, [-math.inf] * len(sizes), [math.inf] * len(sizes), drift=drift)
    middle = drift * math.sqrt(fractions[-1])
    for z in (middle - 1.0, middle + 0.5, 3.0):
        assert last.above(z) == pytest.approx(normal_sf(z - middle), abs=1e-12)


@settings(deadline=None)
@given(steps, st.floats(-6, 6), st.floats(0.1, 4), st.floats(0, 3))
def test_no_run_is_lost(sizes: list[float], drift: float, upper: float, below: float) -> None:
    fractions = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    ups, downs = [upper] * len(sizes), [-below] * len(sizes)
    looks = list(each_look(fractions, downs, ups, drift=drift))
    left = sum(look.above(upper) + look.below(-below) for look in looks[:-1])
    assert left + looks[-1].mass.sum() == pytest.approx(1, abs=1e-11)


@settings(deadline=None)
@given(steps, st.floats(1e-12, 0.01))
def test_a_bound_leaves_just_its_tail(sizes: list[float], tail: float) -> None:
    fractions = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    *_, last = each_look(fractions, [-2.5] * len(sizes), [2.5] * len(sizes))
    assert last.above(last.bound(tail)) == pytest.approx(tail, rel=1e-9)


@settings(deadline=None, max_examples=20)
@given(steps, st.floats(-4, 4))
def test_more_points_change_nothing(sizes: list[float], drift: float) -> None:
    fractions = [sum(sizes[: k + 1]) for k in range(len(sizes))]
    bounds = [1.5 + k for k in range(len(sizes))]

    def tails() -> list[float]:
        return [look.above(1.0) for look in each_look(fractions, [-2.0] * len(sizes), bounds, drift=drift)]

    plain = tails()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrivals, "PANEL", 2.0)
        assert tails() == pytest.approx(plain, abs=1e-12)


def test_errors_below_every_double_get_the_farthest_bound() -> None:
    assert first_look(0.5).bound(0.0) == FARTHEST
    assert first_look(0.5).bound(1e-299) == pytest.approx(normal_isf(1e-299), rel=1e-12)


def test_looks_that_nearly_coincide_are_moved_apart() -> None:
    assert apart([0.5, 0.5 + 1e-9, 1.0]) == (0.5, 0.5 * (1 + 1e-6), 1.0)
    assert apart([1e-7, 2e-7]) == (1e-7, 2e-7)


@pytest.mark.parametrize("fractions", [[], [0.0, 1.0], [-0.1], [0.5, 0.5], [0.6, 0.5], [math.nan], [0.5, math.inf]])
def test_fractions_that_do_not_increase_are_refused(fractions: list[float]) -> None:
    with pytest.raises(SpecError, match="information fraction"):
        apart(fractions)
