"""What the experiment file must say for a test that may go on past its last day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from abflow.spec.calendar import Step, calendar_of, steps_due
from abflow.spec.experiment import ExperimentSpec
from tests.analysis.experiments import BOUGHT, spec_of

WINDOWED = BOUGHT | {"window_days": 3}
DO_NO_HARM = {"preset": "do_no_harm"}


def promised(max_days: int, metric: dict[str, Any] = WINDOWED, **changes: Any) -> ExperimentSpec:
    """A test of 21 days that may have more."""
    why = {"why": changes.pop("why")} if "why" in changes else {}
    test = {"enroll_days": 14, "days": 21, "extend": {"max_days": max_days}} | why
    phases = {"shadow": {"skip": "nothing to mirror"}, "aa": {"start": "2026-10-01", "days": 7}, "test": test}
    return spec_of({"bought": metric}, phases=phases, **changes)


@pytest.mark.parametrize(
    "analysis",
    [{"method": "group_sequential", "looks": [14]}, {"method": "always_valid"}, {"method": "sprt"}],
)
def test_only_a_test_that_is_read_once_promises_a_precision(analysis: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=rf"phases\.test\.extend: .*{analysis['method']} promises no precision"):
        promised(35, analysis=analysis)
    assert promised(35, analysis={"method": "bayesian"}).extended.phases.test.days == 35


def test_without_an_mde_nobody_can_say_what_is_precise_enough() -> None:
    metric = {name: value for name, value in WINDOWED.items() if name != "mde"} | {"margin": {"relative": -0.1}}
    changes: dict[str, Any] = {"analysis": DO_NO_HARM, "sizing": {"skip": "there is nothing to hold a size against"}}
    with pytest.raises(ValidationError, match=r"metrics\.bought\.mde: is missing; phases\.test\.extend asks whether"):
        promised(35, metric, **changes)


@pytest.mark.parametrize("max_days", [1, 20, 21])
def test_an_extension_is_longer_than_the_test(max_days: int) -> None:
    with pytest.raises(ValidationError, match=rf"max_days: {max_days} days are no extension of a test of 21"):
        promised(max_days)


def test_added_days_are_whole_weeks_or_have_a_reason() -> None:
    with pytest.raises(ValidationError, match=r"extend\.max_days: 30 adds 9 days to 21, which are not whole weeks"):
        promised(30)
    assert promised(30, why="the season ends then").extended.phases.test.days == 30


@pytest.mark.parametrize("max_days", [0, 366, "long"])
def test_a_test_lasts_a_day_at_least_and_a_year_at_most(max_days: Any) -> None:
    with pytest.raises(ValidationError, match=r"extend\.max_days"):
        promised(max_days)


def test_the_longer_test_begins_as_the_plan_does_and_is_read_once_at_its_own_end() -> None:
    spec = promised(35)
    planned, longer = calendar_of(spec), calendar_of(spec.extended)
    assert (longer.first, longer.test.start) == (planned.first, planned.test.start)
    assert (longer.last, longer.test.enroll_days) == (planned.last + timedelta(days=14), 28)
    assert spec.extended.extended == spec.extended
    read = [day for day in longer.test.days_through(longer.last) if Step.ANALYZE in steps_due(spec.extended, day)]
    assert read == [longer.last]
    plain = spec_of({"bought": BOUGHT})
    assert plain.extended == plain


def test_the_promise_is_part_of_the_plan() -> None:
    assert promised(35).sha256 != promised(28).sha256
