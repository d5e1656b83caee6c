"""The unit on which an answer hangs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from abflow.stats.influence import Influence, Pair, Unit, influence_on_means, influence_on_ratios
from abflow.stats.means import difference_in_means, difference_in_ratios
from abflow.stats.moments import joint_moments_of, moments_of
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

Floats = NDArray[np.float64]
samples = st.lists(st.floats(-1e3, 1e3), min_size=11, max_size=25).map(np.array)
seeds = st.integers(0, 2**32)


@given(samples, samples)
def test_no_unit_moves_the_means_more_than_the_one_found(control: Floats, treatment: Floats) -> None:
    assume(control.std() > 1e-3 and treatment.std() > 1e-3)
    got = found(on_means(control, treatment))
    whole = estimated(difference_in_means(moments_of(control), moments_of(treatment)))
    assert got.estimate == whole
    # One by one, every unit of either arm is left out.
    moved = [
        abs(estimated(difference_in_means(moments_of(left), moments_of(right))).value - whole.value)
        for left, right in (
            *((np.delete(control, unit), treatment) for unit in range(control.size)),
            *((control, np.delete(treatment, unit)) for unit in range(treatment.size)),
        )
    ]
    assert got.standard_errors == pytest.approx(max(moved) / whole.se, rel=1e-6)


@given(seeds)
def test_hardly_any_unit_moves_the_ratios_more_than_the_one_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arms = [pairs(rng, units) for units in (40, 30)]
    got = found(on_ratios(*arms))
    whole = ratios(*arms)
    assert got.estimate == whole
    left_out = {
        **{("control", *arms[0][unit]): ratios(np.delete(arms[0], unit, axis=0), arms[1]) for unit in range(40)},
        **{("treatment", *arms[1][unit]): ratios(arms[0], np.delete(arms[1], unit, axis=0)) for unit in range(30)},
    }
    without, same = estimated(got.without), left_out[got.arm, *got.unit]
    assert (without.value, without.se, without.p_value) == pytest.approx((same.value, same.se, same.p_value), rel=1e-6)
    # The outermost unit by distance moves the ratio most up to its share of the denominator, here a thirtieth or so.
    furthest = max(abs(left.value - whole.value) for left in left_out.values())
    assert abs(without.value - whole.value) > 0.9 * furthest


def test_one_whale_decides() -> None:
    control, treatment = np.arange(100.0), np.append(np.arange(99.0), 20_000.0)
    got = found(on_means(control, treatment))
    assert (got.arm, got.unit) == ("treatment", 20_000.0)
    assert got.estimate.value > 199
    assert estimated(got.without).value == pytest.approx(-0.5)
    # A whale lifts the error with the mean: it moves the effect by one standard error, not by many.
    assert got.standard_errors == pytest.approx(1, abs=0.02)


def test_many_ordinary_units_hang_on_none() -> None:
    rng = np.random.default_rng(3)
    got = found(on_means(rng.normal(size=2_000), rng.normal(size=2_000)))
    assert got.standard_errors < 0.1


@given(samples, samples, st.sampled_from([1e-3, 40.0]))
def test_the_currency_does_not_matter(control: Floats, treatment: Floats, by: float) -> None:
    assume(control.std() > 1e-3 and treatment.std() > 1e-3)
    plain, scaled = found(on_means(control, treatment)), found(on_means(by * control, by * treatment))
    assert scaled.standard_errors == pytest.approx(plain.standard_errors, rel=1e-6)


@given(samples, samples)
def test_swapping_the_arms_finds_as_much_influence(control: Floats, treatment: Floats) -> None:
    assume(control.std() > 1e-3 and treatment.std() > 1e-3)
    there, back = found(on_means(control, treatment)), found(on_means(treatment, control))
    assert back.standard_errors == pytest.approx(there.standard_errors, rel=1e-9)


def test_when_nothing_is_left_without_the_unit_its_influence_has_no_limit() -> None:
    # The one buyer is all the spread that both arms have.
    got = found(on_means(np.zeros(50), np.append(np.zeros(49), 50.0)))
    assert (got.arm, got.unit) == ("treatment", 50.0)
    assert isinstance(got.without, Unavailable)
    assert got.standard_errors == math.inf


def test_ten_units_may_lose_one() -> None:
    # The rule that asks for ten units asks it of the arm, not of the arm without one.
    got = found(on_means(np.arange(10.0), np.arange(10.0) ** 2))
    assert isinstance(got.without, Estimate)
    rng = np.random.default_rng(3)
    assert isinstance(found(on_ratios(pairs(rng, 10), pairs(rng, 10))).without, Estimate)


def test_where_there_is_no_effect_there_is_no_influence() -> None:
    got = on_means(np.arange(9.0), np.arange(20.0))
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.TOO_FEW_UNITS
    nothing = on_ratios(np.ones((20, 2)), np.column_stack((np.ones(20), np.zeros(20))))
    assert isinstance(nothing, Unavailable)
    assert nothing.reason is UnavailableReason.ZERO_DENOMINATOR


def on_means(control: Floats, treatment: Floats) -> Influence[float] | Unavailable:
    return influence_on_means(
        moments_of(control),
        moments_of(treatment),
        control_extremes=(control.min(), control.max()),
        treatment_extremes=(treatment.min(), treatment.max()),
    )


def on_ratios(control: Floats, treatment: Floats) -> Influence[Pair] | Unavailable:
    return influence_on_ratios(
        joint_moments_of(*control.T),
        joint_moments_of(*treatment.T),
        control_extremes=extremes(control),
        treatment_extremes=extremes(treatment),
    )


def extremes(arm: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
    """The units with the smallest and the largest numerator - ratio · denominator."""
    total = arm.sum(axis=0)
    distances = arm[:, 0] * total[1] - arm[:, 1] * total[0]
    low, high = arm[distances.argmin()], arm[distances.argmax()]
    return (low[0], low[1]), (high[0], high[1])


def pairs(rng: np.random.Generator, units: int) -> Floats:
    views = rng.integers(3, 6, size=units).astype(np.float64)
    return np.column_stack((rng.lognormal(size=units) * views, views))


def ratios(control: Floats, treatment: Floats) -> Estimate:
    return estimated(difference_in_ratios(joint_moments_of(*control.T), joint_moments_of(*treatment.T)))


def estimated(got: Estimate | Unavailable) -> Estimate:
    assert isinstance(got, Estimate), got
    return got


def found(got: Influence[Unit] | Unavailable) -> Influence[Unit]:
    assert isinstance(got, Influence), got
    return got
