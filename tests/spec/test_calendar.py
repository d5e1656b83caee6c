from __future__ import annotations

from datetime import date, timedelta

import pytest

from abflow.spec.calendar import GateName, Period, Phase, Step, calendar_of, steps_due
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import parse_experiment
from abflow.spec.phases import AaPhase
from tests.spec.files import GOOD, edited

V, A, H = Step.VALIDATE_SHADOW_LOG, Step.AGGREGATE_DAY, Step.CHECK_HEALTH
AA, SIZE = Step.AA_CHECK, Step.SAMPLE_SIZE_GATE
ANALYZE, DECIDE, APPROVE, PROMOTE = Step.ANALYZE, Step.DECIDE, Step.APPROVE, Step.PROMOTE
LAST = (A, H, ANALYZE, DECIDE, APPROVE, PROMOTE)
FIRST = date(2026, 10, 1)


def phases(*, shadow: bool, aa: bool) -> ExperimentSpec:
    """Two days of shadow, three of A/A and four of test, or less."""
    start = "" if shadow or aa else "start: 2026-10-01, "
    return parse_experiment(
        GOOD.replace("shadow: {start: 2026-10-01, days: 3}", _phase("start: 2026-10-01, days: 2", given=shadow))
        .replace(
            "aa: {enroll_days: 7, days: 14}",
            _phase("days: 3" if shadow else "start: 2026-10-01, days: 3", given=aa, name="aa"),
        )
        .replace(
            "test: {enroll_days: 14, days: 21}",
            f"test: {{{start}enroll_days: 2, days: 4, immature: allowed, why: a short test}}",
        )
    )


def _phase(fields: str, *, given: bool, name: str = "shadow") -> str:
    return f"{name}: {{{fields if given else 'skip: not needed here'}}}"


def week_of(spec: ExperimentSpec) -> list[tuple[Step, ...]]:
    """What is due from the first day of the experiment to its last."""
    calendar = calendar_of(spec)
    days = (calendar.last - FIRST).days + 1
    return [steps_due(spec, FIRST + timedelta(days=n)) for n in range(days)]


def test_a_whole_experiment_day_by_day() -> None:
    assert week_of(phases(shadow=True, aa=True)) == [
        (V,), (V,),
        (A, H), (A, H), (A, H, AA, SIZE),
        (A, H), (A, H), (A, H), LAST,
    ]  # fmt: skip


def test_without_shadow_its_gate_is_noted_on_the_first_day() -> None:
    first, *rest = week_of(phases(shadow=False, aa=True))
    assert first == (V, A, H)
    assert rest == [(A, H), (A, H, AA, SIZE), (A, H), (A, H), (A, H), LAST]


def test_without_aa_its_gate_and_sizing_are_judged_at_the_end_of_the_shadow() -> None:
    assert week_of(phases(shadow=True, aa=False)) == [(V,), (V, AA, SIZE), (A, H), (A, H), (A, H), LAST]


def test_without_both_every_gate_is_judged_on_the_first_day_of_the_test() -> None:
    assert week_of(phases(shadow=False, aa=False)) == [(V, A, H, AA, SIZE), (A, H), (A, H), LAST]


@pytest.mark.parametrize("shadow", [True, False])
@pytest.mark.parametrize("aa", [True, False])
def test_nothing_is_due_outside_the_experiment(shadow: bool, aa: bool) -> None:
    spec = phases(shadow=shadow, aa=aa)
    calendar = calendar_of(spec)
    assert calendar.first == FIRST
    for day in (calendar.first - timedelta(days=1), calendar.last + timedelta(days=1)):
        assert steps_due(spec, day) == ()
        assert calendar.period_of(day) is None


def test_nothing_is_due_in_a_gap_between_phases() -> None:
    spec = parse_experiment(edited("test: {enroll", "test: {start: 2026-10-20, enroll"))
    assert calendar_of(spec).last == date(2026, 11, 9)
    assert [steps_due(spec, date(2026, 10, day)) for day in (17, 18, 19, 20)] == [(A, H, AA, SIZE), (), (), (A, H)]


def test_nobody_is_asked_where_no_approval_is_required_and_nothing_promoted_without_a_model() -> None:
    for old, new, due in (
        ("approval: required", "approval: none", (A, H, ANALYZE, DECIDE, PROMOTE)),
        ("model: churn\n", "", (A, H, ANALYZE, DECIDE)),
    ):
        text = edited(old, new)
        if "model" in old:
            text = text.replace('version: "@champion", ', "").replace('version: "@challenger", ', "")
        spec = parse_experiment(text)
        assert steps_due(spec, calendar_of(spec).last) == due


def test_gates_are_judged_on_the_last_day_of_what_they_ask() -> None:
    gates = list(GateName)
    for shadow, aa, days in ((True, True, (2, 5, 5)), (False, True, (1, 3, 3)), (True, False, (2, 2, 2))):
        calendar = calendar_of(phases(shadow=shadow, aa=aa))
        assert [calendar.gate_day(gate).day for gate in gates] == list(days)


def test_a_period_knows_its_days() -> None:
    period = Period(Phase.TEST, date(2026, 10, 30), days=4, enroll_days=2)
    assert (period.last, period.end, period.enroll_end) == (date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 1))
    assert period.days_through(date(2026, 10, 29)) == ()
    assert period.days_through(date(2026, 10, 31)) == (date(2026, 10, 30), date(2026, 10, 31))
    assert len(period.days_through(date(2027, 1, 1))) == 4
    assert period.number_of(date(2026, 11, 1)) == 3


def test_phases_may_not_overlap_even_when_built_without_a_file() -> None:
    spec = phases(shadow=True, aa=True)
    assert isinstance(spec.phases.aa, AaPhase)
    early = spec.phases.aa.model_copy(update={"start": FIRST})
    clash = spec.model_copy(update={"phases": spec.phases.model_copy(update={"aa": early})})
    with pytest.raises(
        ValueError, match=r"phases\.aa\.start: 2026-10-01 is too early; the phase before it lasts until"
    ):
        calendar_of(clash)
