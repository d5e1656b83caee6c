"""How a sequential probability ratio test goes, on average."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.sprt import Thresholds, wald_thresholds
from abflow.stats.wald import bernoulli_course, normal_course

rates = st.floats(0.01, 0.99)
levels = st.floats(0.005, 0.3)
USUAL = wald_thresholds(alpha=0.05, beta=0.20)


def test_two_rates_by_walds_formulas() -> None:
    null = bernoulli_course(0.10, p0=0.10, p1=0.12, thresholds=USUAL)
    real = bernoulli_course(0.12, p0=0.10, p1=0.12, thresholds=USUAL)
    # (0.95 ln B + 0.05 ln A) / E(step) and (0.20 ln B + 0.80 ln A) / E(step).
    assert (null.mean_units, real.mean_units) == pytest.approx((673.0, 906.8), abs=0.05)


def test_half_the_units_of_a_fixed_test_on_average() -> None:
    # Wald (1947): error levels of 0.05 on both sides; the fixed test needs (2 · 1.6448536)² sd²/delta².
    even = wald_thresholds(alpha=0.05, beta=0.05)
    for mean in (0.0, 1.0):
        got = normal_course(mean, delta=1.0, sd=1.0, thresholds=even)
        assert got.mean_units / (2 * 1.6448536) ** 2 == pytest.approx(0.4897, abs=5e-5)


@given(rates, rates, levels, levels)
def test_both_errors_are_the_ones_asked_for(p0: float, p1: float, alpha: float, beta: float) -> None:
    if abs(p0 - p1) < 1e-3:
        return
    asked = wald_thresholds(alpha=alpha, beta=beta)
    assert bernoulli_course(p0, p0=p0, p1=p1, thresholds=asked).accepted == pytest.approx(1 - alpha, rel=1e-5)
    assert bernoulli_course(p1, p0=p0, p1=p1, thresholds=asked).accepted == pytest.approx(beta, rel=1e-5)
    assert normal_course(0.0, delta=p0 - p1, sd=2.0, thresholds=asked).accepted == pytest.approx(1 - alpha)
    assert normal_course(p0 - p1, delta=p0 - p1, sd=2.0, thresholds=asked).accepted == pytest.approx(beta)


@given(rates, rates, rates)
def test_counting_failures_instead_changes_nothing(p: float, p0: float, p1: float) -> None:
    if abs(p0 - p1) < 1e-2:
        return
    there = bernoulli_course(p, p0=p0, p1=p1, thresholds=USUAL)
    back = bernoulli_course(1 - p, p0=1 - p0, p1=1 - p1, thresholds=USUAL)
    assert back.accepted == pytest.approx(there.accepted, rel=1e-5, abs=1e-12)
    assert back.mean_units == pytest.approx(there.mean_units, rel=1e-5)


@given(st.floats(-3, 4), levels, levels)
def test_swapping_the_hypotheses_swaps_the_answers(mean: float, alpha: float, beta: float) -> None:
    there = normal_course(mean, delta=1.0, sd=1.5, thresholds=wald_thresholds(alpha=alpha, beta=beta))
    back = normal_course(1 - mean, delta=1.0, sd=1.5, thresholds=wald_thresholds(alpha=beta, beta=alpha))
    assert back.accepted == pytest.approx(1 - there.accepted, abs=1e-7)
    assert back.mean_units == pytest.approx(there.mean_units, rel=1e-6)


def test_a_better_truth_is_accepted_less_and_the_middle_takes_longest() -> None:
    courses = [bernoulli_course(p, p0=0.10, p1=0.12, thresholds=USUAL) for p in np.linspace(0.05, 0.3, 400)]
    accepted = [course.accepted for course in courses]
    assert accepted == sorted(accepted, reverse=True)
    units = [course.mean_units for course in courses]
    longest = int(np.argmax(units))
    assert units[: longest + 1] == sorted(units[: longest + 1])
    assert units[longest:] == sorted(units[longest:], reverse=True)


def test_steps_without_drift_are_no_special_case() -> None:
    one, zero = math.log(0.12 / 0.10), math.log(0.88 / 0.90)
    level = -zero / (one - zero)
    at, near = (bernoulli_course(level + by, p0=0.10, p1=0.12, thresholds=USUAL) for by in (0.0, 1e-9))
    assert near.mean_units == pytest.approx(at.mean_units, rel=1e-5)
    # Both sides of the series' edge, a part in a million apart.
    for by in (2e-6, 1e-5, 5e-5, 1e-4):
        around = [bernoulli_course(level + by * s, p0=0.10, p1=0.12, thresholds=USUAL).mean_units for s in (-1, 1)]
        assert sum(around) / 2 == pytest.approx(at.mean_units, rel=1e-3)


@pytest.mark.slow
def test_walds_approximations_are_near_the_truth() -> None:
    # A step of 0.05 standard deviations overshoots little; the exact test errs less and takes longer.
    runs, delta = 2_000, 0.2
    rng, score = np.random.default_rng(20_261_124), np.zeros(2_000)
    ended, units, accepted = np.zeros(runs, dtype=bool), np.zeros(runs), np.zeros(runs, dtype=bool)
    while not ended.all():
        score += np.where(ended, 0.0, delta * rng.normal(size=runs) - delta**2 / 2)
        units += ~ended
        accepted |= ~ended & (score <= USUAL.accept)
        ended |= (score <= USUAL.accept) | (score >= USUAL.reject)
    want = normal_course(0.0, delta=delta, sd=1.0, thresholds=USUAL)
    assert accepted.mean() == pytest.approx(want.accepted, abs=0.02)
    assert want.mean_units < units.mean() < 1.15 * want.mean_units


def test_impossible_courses_are_refused() -> None:
    with pytest.raises(SpecError, match="and differ"):
        bernoulli_course(0.1, p0=0.1, p1=0.1, thresholds=USUAL)
    with pytest.raises(SpecError, match="between 0 and 1"):
        bernoulli_course(0.0, p0=0.1, p1=0.2, thresholds=USUAL)
    for mean, delta, sd in ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (math.nan, 1.0, 1.0), (0.0, math.nan, 1.0)):
        with pytest.raises(SpecError, match="delta"):
            normal_course(mean, delta=delta, sd=sd, thresholds=Thresholds(accept=-1.0, reject=1.0))
