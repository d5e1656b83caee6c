"""Units that give the whole decision its power."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.decision_size import DecisionSize, decision_detectable, decision_power, decision_sample_size
from abflow.stats.means import difference_in_means
from abflow.stats.moments import Moments
from abflow.stats.noninferiority import MarginBounds, margin_bounds
from abflow.stats.power import PowerQuestion, Split, power_of
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

HALVES = Split(control=0.5, treatment=0.5)
PRIMARY = PowerQuestion(name="retained", kind="difference", mean=0.10, sd=None, size=0.02, relative=False, alpha=0.05)
REVENUE = PowerQuestion(name="revenue", kind="margin", mean=20.0, sd=50.0, size=-0.05, relative=True, alpha=0.05)
ERRORS = PowerQuestion(name="errors", kind="margin", mean=0.01, sd=None, size=0.005, relative=False, alpha=0.05)


def test_a_primary_alone_needs_the_textbook_size() -> None:
    got = sized(decision_sample_size([PRIMARY], split=HALVES, power=0.8))
    # 3840.85 per arm, rounded up once for all units together.
    assert got.total == 7682
    assert (got.control, got.treatment) == (3841, 3841)
    assert got.questions[0].alone == 7682


def test_three_questions_of_80_percent_would_promote_a_real_gain_half_of_the_time() -> None:
    # The rule that the sum of misses repairs: .8 · .8 · .8 = .512.
    twins = [replace(PRIMARY, name=name) for name in "abc"]
    alone = sized(decision_sample_size(twins[:1], split=HALVES, power=0.8)).total
    each = [power_of(twin, total=alone, split=HALVES) for twin in twins]
    assert math.prod(one for one in each if not isinstance(one, Unavailable)) == pytest.approx(0.512, abs=1e-3)
    together = sized(decision_sample_size(twins, split=HALVES, power=0.8))
    assert all(question.power >= 1 - 0.2 / 3 for question in together.questions)
    assert together.questions[0].power == pytest.approx(1 - 0.2 / 3, abs=1e-4)


@given(
    st.lists(st.floats(0.01, 0.2), min_size=1, max_size=4),
    st.floats(0.55, 0.97),
    st.floats(0.1, 0.6),
)
def test_one_unit_less_misses_too_often(margins: list[float], power: float, share: float) -> None:
    split = Split(control=share, treatment=0.9 - share)
    questions = [PRIMARY, *(replace(REVENUE, name=f"g{i}", size=-m) for i, m in enumerate(margins))]
    got = sized(decision_sample_size(questions, split=split, power=power))

    def misses(total: int) -> float:
        powers = [power_of(question, total=total, split=split) for question in questions]
        return sum(1 - one for one in powers if not isinstance(one, Unavailable))

    assert misses(got.total) <= 1 - power < misses(got.total - 1)
    assert got.total >= max(question.alone for question in got.questions)
    assert [question.name for question in got.questions] == [question.name for question in questions]


@given(st.floats(0.55, 0.9), st.floats(0.01, 0.09))
def test_more_power_never_needs_fewer_units(power: float, more: float) -> None:
    def total(wanted: float) -> int:
        return sized(decision_sample_size([PRIMARY, REVENUE, ERRORS], split=HALVES, power=wanted)).total

    assert total(power) <= total(power + more)


def test_shares_of_all_units_say_what_each_arm_gets() -> None:
    got = sized(decision_sample_size([PRIMARY, ERRORS], split=Split(control=0.4, treatment=0.3), power=0.8))
    assert got.control == math.ceil(got.total * 0.4)
    assert got.treatment == math.ceil(got.total * 0.3)


def test_a_question_without_an_answer_stops_the_sum() -> None:
    got = decision_sample_size([PRIMARY, replace(REVENUE, sd=0.0)], split=HALVES, power=0.8)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_VARIANCE
    assert "revenue" in got.detail


def test_no_question_or_no_power_is_refused() -> None:
    with pytest.raises(SpecError, match="0 questions"):
        decision_sample_size([], split=HALVES, power=0.8)
    with pytest.raises(SpecError, match=r"power 0\.2"):
        decision_sample_size([PRIMARY], split=HALVES, power=0.2)


@pytest.mark.slow
def test_a_real_gain_is_promoted_as_often_as_promised() -> None:
    primary = replace(REVENUE, name="spend", kind="difference", size=0.05)
    questions = [primary, replace(REVENUE, size=-0.04), replace(REVENUE, name="visits", size=-0.05)]
    size = sized(decision_sample_size(questions, split=HALVES, power=0.8))
    runs, rng = 2_000, np.random.default_rng(20_261_014)
    promoted = sum(promotes(rng, size.control, questions) for _ in range(runs))
    # Independent metrics: the union bound promises 80 % and gives a little more.
    assert promoted / runs >= 0.8 - 3.29 * math.sqrt(0.8 * 0.2 / runs)
    assert promoted / runs <= 0.86


def promotes(rng: np.random.Generator, n: int, questions: list[PowerQuestion]) -> bool:
    primary, *guardrails = questions
    got = difference_in_means(drawn(rng, n, 20.0), drawn(rng, n, 21.0))
    wins = isinstance(got, Estimate) and got.p_value < primary.alpha and got.value > 0
    for guardrail in guardrails:
        bounds = margin_bounds(
            drawn(rng, n, 20.0),
            drawn(rng, n, 20.0),
            kind="mean",
            sign=1,
            margin=guardrail.size,
            relative=True,
        )
        wins = wins and isinstance(bounds, MarginBounds) and bounds.safe
    return wins


def drawn(rng: np.random.Generator, n: int, mean: float) -> Moments:
    """Moments of n normal units with sd 50, drawn without drawing the units."""
    return Moments(n=n, mean=rng.normal(mean, 50 / math.sqrt(n)), m2=50.0**2 * float(rng.chisquare(n - 1)))


def sized(got: DecisionSize | Unavailable) -> DecisionSize:
    assert isinstance(got, DecisionSize), got
    return got


def test_the_power_of_the_decision_is_what_its_misses_leave() -> None:
    twins = [replace(PRIMARY, name=name) for name in "abc"]
    alone = power_of(PRIMARY, total=20_000, split=HALVES)
    assert not isinstance(alone, Unavailable)
    together = decision_power(twins, split=HALVES, total=20_000)
    assert together == pytest.approx(1 - 3 * (1 - alone))
    assert decision_power(twins, split=HALVES, total=10) == 0
    size = sized(decision_sample_size([PRIMARY, REVENUE, ERRORS], split=HALVES, power=0.8))
    reached = decision_power([PRIMARY, REVENUE, ERRORS], split=HALVES, total=size.total)
    assert reached == pytest.approx(0.8, abs=1e-4)


def test_at_the_size_of_the_decision_the_planned_effect_is_the_smallest_it_can_find() -> None:
    questions = [PRIMARY, ERRORS]
    size = sized(decision_sample_size(questions, split=HALVES, power=0.8))
    got = decision_detectable(questions, split=HALVES, total=size.total, power=0.8)
    assert got == pytest.approx(0.02, rel=1e-3)
    fewer = decision_detectable(questions, split=HALVES, total=0.9 * size.total, power=0.8)
    alone = decision_detectable([PRIMARY], split=HALVES, total=0.9 * size.total, power=0.8)
    assert not isinstance(fewer, Unavailable)
    assert not isinstance(alone, Unavailable)
    assert fewer > alone


def test_guardrails_can_leave_no_power_for_any_effect() -> None:
    got = decision_detectable([PRIMARY, REVENUE], split=HALVES, total=2_000, power=0.8)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.TOO_FEW_UNITS
    assert "no size of retained brings the decision to 0.8" in got.detail
    beyond = decision_power([replace(PRIMARY, size=0.95)], split=HALVES, total=2_000)
    assert isinstance(beyond, Unavailable)


def test_each_part_is_found_by_its_name() -> None:
    size = sized(decision_sample_size([PRIMARY, REVENUE], split=HALVES, power=0.8))
    assert size.of("revenue") is size.questions[1]


def test_an_equal_version_that_is_called_worse_misses_too() -> None:
    # With many units the margin is sure, and 2.5 % of equal versions are still called worse.
    equal = PowerQuestion(
        name="kept", kind="margin", mean=0.2, sd=None, size=-0.1, relative=False, alpha=0.05, most=0.975
    )
    assert power_of(equal, total=1e7, split=HALVES) == 0.975
    size = sized(decision_sample_size([equal, ERRORS], split=HALVES, power=0.8))
    assert size.of("kept").power == 0.975
    assert size.of("errors").power == pytest.approx(0.825, abs=1e-3)
    alone = sized(decision_sample_size([equal], split=HALVES, power=0.8))
    assert alone == sized(decision_sample_size([replace(equal, most=1.0)], split=HALVES, power=0.8))


def test_a_power_beyond_what_can_be_reached_has_no_size() -> None:
    equal = replace(ERRORS, most=0.975)
    got = decision_sample_size([equal], split=HALVES, power=0.98)
    assert isinstance(got, Unavailable)
    assert "called worse 2.5 % of the time" in got.detail
    with pytest.raises(SpecError, match=r"most 0\.3"):
        power_of(replace(ERRORS, most=0.3), total=100, split=HALVES)


def test_an_effect_of_nearly_nothing_takes_more_units_than_can_be_counted() -> None:
    asked = PowerQuestion(name="spent", kind="difference", mean=1, sd=1, size=1e-200, relative=False, alpha=0.05)
    got = decision_sample_size([asked], split=Split(control=0.5, treatment=0.5), power=0.8)
    assert isinstance(got, Unavailable)
    assert "more units than can be counted" in got.detail


def test_the_reach_of_no_question_is_refused() -> None:
    with pytest.raises(SpecError, match="0 questions"):
        decision_detectable([], split=Split(control=0.5, treatment=0.5), total=100, power=0.8)
