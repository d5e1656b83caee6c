"""Power of one question, and what a test can show."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.moments import Moments
from abflow.stats.noninferiority import MarginBounds, margin_bounds
from abflow.stats.power import PowerQuestion, Split, detectable, power_curve, power_of
from abflow.stats.proportions import difference_in_proportions
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.sample_size import n_two_means, n_two_proportions

HALVES = Split(control=0.5, treatment=0.5)
RATE = PowerQuestion(name="retained", kind="difference", mean=0.10, sd=None, size=0.02, relative=False, alpha=0.05)
SPEND = PowerQuestion(name="revenue", kind="difference", mean=20.0, sd=50.0, size=0.05, relative=True, alpha=0.05)
GUARD = PowerQuestion(name="revenue", kind="margin", mean=20.0, sd=50.0, size=-0.05, relative=True, alpha=0.05)
questions = st.builds(
    PowerQuestion,
    name=st.just("metric"),
    kind=st.sampled_from(("difference", "margin")),
    mean=st.floats(0.02, 0.6),
    sd=st.one_of(st.none(), st.floats(0.1, 5.0)),
    size=st.floats(0.005, 0.3).flatmap(lambda size: st.sampled_from((size, -size))),
    relative=st.booleans(),
    alpha=st.floats(0.001, 0.1),
    factor=st.sampled_from((0.5, 1.0, 1.92)),
)


def test_the_curve_reproduces_the_textbook_sample_sizes() -> None:
    assert units(RATE, 0.8) == pytest.approx(2 * 3840.85, abs=0.01)
    assert units(SPEND, 0.8) == pytest.approx(2 * n_two_means(50.0, 1.0, 0.05, 0.8), rel=1e-12)
    lower = replace(RATE, size=-0.02)
    assert units(lower, 0.9) == pytest.approx(2 * n_two_proportions(0.10, 0.08, 0.05, 0.9), rel=1e-12)


def test_an_absolute_margin_reproduces_the_textbook_of_noninferiority() -> None:
    # Julious (2004), Statistics in Medicine 23, 1921-1986: at no difference and one rate in both
    # arms, (z_alpha + z_power)² times 2 p (1 - p) over the squared margin per arm.
    guard = PowerQuestion(name="errors", kind="margin", mean=0.15, sd=None, size=0.05, relative=False, alpha=0.05)
    want = (1.6448536 + 0.8416212) ** 2 * 2 * 0.15 * 0.85 / 0.05**2
    assert units(guard, 0.8) == pytest.approx(2 * want, rel=1e-6)


def test_a_relative_margin_carries_the_controls_noise_by_its_own_weight() -> None:
    # s·m_t - (s - |r|)·m_c with |r| = 0.05: the control weighs 0.95 where more is better, 1.05 where less is.
    z = 1.6448536 + 0.8416212
    better_up = z**2 * 50.0**2 * (1 + 0.95**2) / 1.0**2
    better_down = z**2 * 50.0**2 * (1 + 1.05**2) / 1.0**2
    assert units(GUARD, 0.8) == pytest.approx(2 * better_up, rel=1e-6)
    assert units(replace(GUARD, size=0.05), 0.8) == pytest.approx(2 * better_down, rel=1e-6)


@given(questions, st.floats(10, 1e6), st.floats(0.1, 3))
def test_a_factor_multiplies_the_units(question: PowerQuestion, total: float, factor: float) -> None:
    plain = replace(question, factor=1.0)
    before = power_of(plain, total=total, split=HALVES)
    assume(not isinstance(before, Unavailable))
    after = power_of(replace(plain, factor=factor), total=factor * total, split=HALVES)
    assert known(after) == pytest.approx(known(before), rel=1e-9)


def test_half_the_noise_is_half_the_units() -> None:
    # A history that correlates 0.7071 leaves half of the variance (Deng, Xu, Kohavi, Walker 2013).
    assert units(replace(SPEND, factor=0.5), 0.8) == pytest.approx(n_two_means(50.0, 1.0, 0.05, 0.8), rel=1e-12)


@given(questions, st.floats(10, 1e6), st.floats(1.01, 5))
def test_more_units_never_lose_power(question: PowerQuestion, total: float, more: float) -> None:
    few, many = (
        power_of(question, total=total, split=HALVES),
        power_of(question, total=total * more, split=HALVES),
    )
    assume(not isinstance(few, Unavailable))
    assert known(few) <= known(many) <= 1


@given(questions, st.floats(0.55, 0.99), st.floats(0.1, 0.6))
def test_units_and_power_are_inverse(question: PowerQuestion, power: float, share: float) -> None:
    split = Split(control=share, treatment=0.9 - share)
    curve = power_curve(question, split)
    assume(not isinstance(curve, Unavailable))
    assert not isinstance(curve, Unavailable)
    assert curve.power(curve.units(power)) == pytest.approx(power, abs=1e-9)


@given(questions, st.floats(100, 1e5), st.floats(0.55, 0.95))
def test_what_is_detectable_is_detected_and_a_hair_less_is_not(
    question: PowerQuestion, total: float, power: float
) -> None:
    size = detectable(question, total=total, split=HALVES, power=power)
    assume(not isinstance(size, Unavailable))
    size = known(size)
    assert math.copysign(1, size) == math.copysign(1, question.size)
    assert known(power_of(replace(question, size=size), total=total, split=HALVES)) >= power - 1e-9
    assert known(power_of(replace(question, size=size * 0.999), total=total, split=HALVES)) < power


def test_the_detectable_effect_of_the_required_size_is_the_effect_asked_for() -> None:
    for question in (RATE, SPEND, GUARD):
        got = detectable(question, total=units(question, 0.8), split=HALVES, power=0.8)
        assert got == pytest.approx(question.size, rel=1e-9)


@given(questions)
def test_an_even_split_is_the_cheapest_for_a_difference_of_means(question: PowerQuestion) -> None:
    question = replace(question, kind="difference", sd=1.0)
    even, uneven = power_curve(question, HALVES), power_curve(question, Split(control=0.7, treatment=0.3))
    assert not isinstance(even, Unavailable)
    assert not isinstance(uneven, Unavailable)
    assert even.units(0.8) < uneven.units(0.8)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (replace(RATE, mean=0.0), UnavailableReason.NO_VARIANCE),
        (replace(RATE, mean=1.0, size=-0.1), UnavailableReason.NO_VARIANCE),
        (replace(RATE, mean=1.4), UnavailableReason.METHOD_NOT_VALID_HERE),
        (replace(RATE, mean=0.99), UnavailableReason.METHOD_NOT_VALID_HERE),
        (replace(SPEND, sd=0.0), UnavailableReason.NO_VARIANCE),
        (replace(SPEND, mean=0.0), UnavailableReason.BASELINE_NEAR_ZERO),
        (replace(SPEND, mean=-3.0), UnavailableReason.METHOD_NOT_VALID_HERE),
        (replace(SPEND, size=0.0), UnavailableReason.METHOD_NOT_VALID_HERE),
        (replace(SPEND, mean=math.inf), UnavailableReason.NOT_FINITE),
        (replace(SPEND, sd=math.nan), UnavailableReason.NOT_FINITE),
    ],
)
def test_a_question_without_an_answer_says_why(question: PowerQuestion, reason: UnavailableReason) -> None:
    for got in (
        power_of(question, total=1000, split=HALVES),
        detectable(question, total=1000, split=HALVES, power=0.8),
    ):
        assert isinstance(got, Unavailable)
        assert got.reason is reason
        assert question.name in got.detail


@pytest.mark.parametrize("question", [RATE, GUARD, replace(GUARD, size=0.05)])
def test_a_tiny_test_cannot_show_an_effect_or_relative_margin_of_any_size(question: PowerQuestion) -> None:
    got = detectable(question, total=4, split=HALVES, power=0.8)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.TOO_FEW_UNITS


@pytest.mark.parametrize(("control", "treatment"), [(0.0, 0.5), (0.6, 0.5), (-0.1, 0.5), (math.nan, 0.5)])
def test_shares_must_be_shares(control: float, treatment: float) -> None:
    with pytest.raises(SpecError, match="shares"):
        Split(control=control, treatment=treatment)


def test_impossible_levels_are_refused() -> None:
    with pytest.raises(SpecError, match=r"alpha 0\.95 of 'retained'"):
        power_of(replace(RATE, alpha=0.95), total=100, split=HALVES)
    with pytest.raises(SpecError, match="factor 0 of 'retained'"):
        power_of(replace(RATE, factor=0.0), total=100, split=HALVES)
    with pytest.raises(SpecError, match=r"power 0\.2"):
        detectable(RATE, total=100, split=HALVES, power=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.25])
def test_the_pooled_test_finds_the_effect_as_often_as_promised(share: float) -> None:
    runs, split = 2_000, Split(control=1 - share, treatment=share)
    total = round(units(RATE, 0.8, split))
    n_c, n_t = round(total * (1 - share)), round(total * share)
    rng = np.random.default_rng(20_261_012)
    found = 0
    for a, b in zip(rng.binomial(n_c, 0.10, runs), rng.binomial(n_t, 0.12, runs), strict=True):
        got = difference_in_proportions(rate(int(a), n_c), rate(int(b), n_t))
        found += isinstance(got, Estimate) and got.p_value < 0.05 and got.value > 0
    assert found / runs == pytest.approx(0.8, abs=3.29 * math.sqrt(0.8 * 0.2 / runs))


@pytest.mark.slow
@pytest.mark.parametrize(("size", "sign"), [(-0.1, 1), (0.1, -1)])
def test_a_harmless_change_is_called_safe_as_often_as_promised(size: float, sign: Literal[1, -1]) -> None:
    runs = 1_000
    guard = PowerQuestion(name="kept", kind="margin", mean=0.2, sd=None, size=size, relative=True, alpha=0.05)
    n = round(units(guard, 0.8) / 2)
    rng = np.random.default_rng(20_261_013)
    safe = 0
    for a, b in rng.binomial(n, 0.2, size=(runs, 2)):
        got = margin_bounds(rate(int(a), n), rate(int(b), n), kind="proportion", sign=sign, margin=size, relative=True)
        safe += isinstance(got, MarginBounds) and got.safe
    assert safe / runs == pytest.approx(0.8, abs=3.29 * math.sqrt(0.8 * 0.2 / runs))


def units(question: PowerQuestion, power: float, split: Split = HALVES) -> float:
    curve = power_curve(question, split)
    assert not isinstance(curve, Unavailable), curve
    return curve.units(power)


def rate(successes: int, n: int) -> Moments:
    share = successes / n
    return Moments(n=n, mean=share, m2=n * share * (1 - share))


def known(value: float | Unavailable) -> float:
    assert not isinstance(value, Unavailable), value
    return value


@pytest.mark.parametrize("total", [-1.0, math.nan, math.inf])
def test_units_that_nobody_can_have_are_refused(total: float) -> None:
    asked = PowerQuestion(name="spent", kind="difference", mean=10, sd=5, size=1, relative=False, alpha=0.05)
    split = Split(control=0.5, treatment=0.5)
    with pytest.raises(SpecError, match="units have no power"):
        power_of(asked, total=total, split=split)
    with pytest.raises(SpecError, match="units have no power"):
        detectable(asked, total=total, split=split, power=0.8)


@pytest.mark.parametrize(
    ("sd", "size", "reason"),
    [(1e200, 1.0, UnavailableReason.NOT_FINITE), (1.0, 1e-320, UnavailableReason.METHOD_NOT_VALID_HERE)],
)
def test_numbers_too_large_or_too_small_to_be_reckoned_with_say_so(
    sd: float, size: float, reason: UnavailableReason
) -> None:
    asked = PowerQuestion(name="spent", kind="difference", mean=1e-10, sd=sd, size=size, relative=True, alpha=0.05)
    got = power_curve(asked, Split(control=0.5, treatment=0.5))
    assert isinstance(got, Unavailable)
    assert got.reason is reason
