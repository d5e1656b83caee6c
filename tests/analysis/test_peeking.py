"""A look that nobody planned: who may take one, and how the test is read afterwards."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from abflow.analysis.compare import compare
from abflow.analysis.looks import UNKNOWN_PLAN, Look
from abflow.analysis.peeking import Peek, as_read, peeks_in_words, why_no_peek
from abflow.analysis.readout import Word
from abflow.stats.confidence_sequence import sequence_bounds
from abflow.stats.result import Estimate, Unavailable
from tests.analysis.experiments import BOUGHT, ERRORS, SPENT, arms_of, population_of, rate, spec_of


def looked(*days: int) -> tuple[Peek, ...]:
    at = datetime(2026, 10, 9, tzinfo=UTC)
    return tuple(Peek(day=date(2026, 10, 7 + n), number=n, by="ann", reason="the board meets", at=at) for n in days)


@pytest.mark.parametrize(
    ("metric", "changes", "why"),
    [
        (BOUGHT, {"analysis": {"method": "always_valid"}}, "always_valid reads bought by its own rule"),
        (BOUGHT, {"analysis": {"method": "bayesian"}}, "bayesian reads bought by its own rule"),
        (BOUGHT, {"allocation": "thompson"}, "thompson's effects hold at the horizon only"),
        (SPENT | {"cap": "p99"}, {}, "the cap of bought is a percentile, which moves from look to look"),
    ],
)
def test_a_peek_is_for_a_test_that_is_read_once_by_an_interval_that_can_hold_at_every_look(
    metric: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    assert why in (why_no_peek(spec_of({"bought": metric}, **changes)) or "")


@pytest.mark.parametrize("metric", [BOUGHT, SPENT, SPENT | {"cap": 100.0}])
def test_a_fixed_horizon_may_be_looked_at(metric: dict[str, Any]) -> None:
    capped = SPENT | {"role": "guardrail", "cap": "p99", "margin": {"relative": -0.1}, "mde": None}
    assert why_no_peek(spec_of({"bought": metric, "spent": capped})) is None


def test_after_a_peek_the_plan_is_read_as_always_valid_and_keeps_everything_else() -> None:
    spec = spec_of()
    assert as_read(spec, ()) is spec
    read = as_read(spec, looked(3))
    assert read.analysis.is_sequential
    assert spec.analysis.method == "fixed_horizon"  # the plan itself is as it was
    back = read.model_copy(update={"analysis": read.analysis.model_copy(update={"method": "fixed_horizon"})})
    assert back == spec


def test_what_rides_along_is_read_by_sequences_too() -> None:
    spec = as_read(spec_of({"bought": BOUGHT, "errors": ERRORS}), looked(3))
    population = population_of(
        *arms_of("bought", rate(1000, 10_000), rate(1100, 10_000)),
        *arms_of("errors", rate(50, 10_000), rate(50, 10_000)),
    )
    look = Look(day=14, final=True, planned=20_000)
    primary, guardrail = compare(spec, population, contamination="exclude", look=look)
    assert primary.word is Word.UNCLEAR  # p 0.02 if this were the only look
    assert isinstance(primary.effect, Estimate)
    assert primary.effect.p_value < 0.05
    assert guardrail.margin is not None
    assert not isinstance(guardrail.margin, Unavailable)
    assert guardrail.margin.method == "one-sided confidence sequence"


def test_where_nobody_knows_the_units_the_sequence_is_tuned_to_a_number_that_no_data_chose() -> None:
    spec = as_read(spec_of(), looked(3))
    arms = arms_of("bought", rate(100, 1000), rate(130, 1000))
    (found,) = compare(spec, population_of(*arms), contamination="exclude", look=Look(day=3, final=False, planned=0.0))
    assert found.deciding is not None
    assert isinstance(found.effect, Estimate)
    tuned = sequence_bounds(
        found.effect.value, found.effect.se, units=(1000, 1000), nonzero=230, planned=UNKNOWN_PLAN, alpha=0.05
    )
    assert not isinstance(tuned, Unavailable)
    assert (found.deciding.lower, found.deciding.upper) == pytest.approx(tuned.two_sided)


@pytest.mark.parametrize(
    ("days", "told"), [((3,), "on day 3"), ((3, 5), "on days 3 and 5"), ((3, 5, 9), "on days 3, 5 and 9")]
)
def test_the_days_are_told_in_words(days: tuple[int, ...], told: str) -> None:
    assert peeks_in_words(looked(*days)) == told
