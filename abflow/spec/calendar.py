"""Which day belongs to which phase, and which steps a day needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from abflow.spec.experiment import ExperimentSpec
from abflow.spec.field_error import FieldError
from abflow.spec.phases import AaPhase, ShadowPhase


class Phase(StrEnum):
    """The three stages of an experiment."""

    SHADOW = "shadow"
    AA = "aa"
    TEST = "test"


class Step(StrEnum):
    """The verbs of the lifecycle, in their order."""

    VALIDATE_SHADOW_LOG = "validate_shadow_log"
    AGGREGATE_DAY = "aggregate_day"
    CHECK_HEALTH = "check_health"
    AA_CHECK = "aa_check"
    SAMPLE_SIZE_GATE = "sample_size_gate"
    ANALYZE = "analyze"
    DECIDE = "decide"
    APPROVE = "approve"
    PROMOTE = "promote"


class GateName(StrEnum):
    """The three questions an experiment must pass."""

    SHADOW = "shadow"
    AA = "aa"
    SIZING = "sizing"


GATE_STEP = {
    GateName.SHADOW: Step.VALIDATE_SHADOW_LOG,
    GateName.AA: Step.AA_CHECK,
    GateName.SIZING: Step.SAMPLE_SIZE_GATE,
}


@dataclass(frozen=True, slots=True)
class Period:
    """The days of one phase."""

    phase: Phase
    start: date
    days: int
    enroll_days: int

    @property
    def end(self) -> date:
        """The first day after the phase."""
        return self.start + timedelta(days=self.days)

    @property
    def last(self) -> date:
        """The last day of the phase."""
        return self.end - timedelta(days=1)

    @property
    def enroll_end(self) -> date:
        """The first day on which no new unit enters."""
        return self.start + timedelta(days=self.enroll_days)

    def days_through(self, last: date) -> tuple[date, ...]:
        """Every day of the phase up to `last`, included."""
        count = min((last - self.start).days + 1, self.days)
        return tuple(self.start + timedelta(days=n) for n in range(max(count, 0)))

    def days_before(self, count: int) -> tuple[date, ...]:
        """That many days before the phase, in order."""
        return tuple(self.start - timedelta(days=ago) for ago in range(count, 0, -1))

    def number_of(self, day: date) -> int:
        """The day's number within the phase, 1 for the first."""
        return (day - self.start).days + 1


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of an experiment, phase by phase."""

    shadow: Period | None
    aa: Period | None
    test: Period

    @property
    def periods(self) -> tuple[Period, ...]:
        """The phases that are not skipped, in order."""
        return tuple(period for period in (self.shadow, self.aa, self.test) if period)

    @property
    def first(self) -> date:
        """The first day of the experiment."""
        return self.periods[0].start

    @property
    def last(self) -> date:
        """The horizon: the last day whose data count."""
        return self.test.last

    def period_of(self, day: date) -> Period | None:
        """The phase that a day belongs to, or None between and outside phases."""
        return next((period for period in self.periods if period.start <= day < period.end), None)

    def gate_day(self, gate: GateName) -> date:
        """The day at whose end a gate is judged; a skipped phase is noted before the next one begins."""
        shadow_day = self.shadow.last if self.shadow else self.first
        if gate is GateName.SHADOW:
            return shadow_day
        return self.aa.last if self.aa else shadow_day


def calendar_of(spec: ExperimentSpec) -> Calendar:
    """Lay the phases of an experiment on the calendar.

    Raises:
        FieldError: A phase begins before the one before it has ended.
    """
    phases = spec.phases
    shadow = aa = None
    if isinstance(phases.shadow, ShadowPhase):
        shadow = Period(Phase.SHADOW, phases.shadow.start, phases.shadow.days, phases.shadow.days)
    free = shadow.end if shadow else None
    if isinstance(phases.aa, AaPhase):
        start = _start(phases.aa.start, free, "aa")
        aa = Period(Phase.AA, start, phases.aa.days, phases.aa.enroll_days or phases.aa.days)
        free = aa.end
    start = _start(phases.test.start, free, "test")
    return Calendar(shadow, aa, Period(Phase.TEST, start, phases.test.days, spec.enroll_days))


def look_days(spec: ExperimentSpec, calendar: Calendar) -> tuple[date, ...]:
    """The days at whose end the primary is read; the last one is the cut-off."""
    return tuple(calendar.test.start + timedelta(days=number - 1) for number in spec.looks)


def _start(given: date | None, free: date | None, phase: str) -> date:
    start = given or free
    if start is None:
        raise FieldError("phases", phase, "start", wrong="is missing")
    if free and start < free:
        raise FieldError(
            "phases", phase, "start", wrong=f"{start} is too early; the phase before it lasts until {free}"
        )
    return start


def steps_due(spec: ExperimentSpec, day: date) -> tuple[Step, ...]:
    """The steps that a day needs, in the order of the lifecycle."""
    calendar = calendar_of(spec)
    period = calendar.period_of(day)
    due = {step for gate, step in GATE_STEP.items() if calendar.gate_day(gate) == day}
    if period and period.phase is Phase.SHADOW:
        due.add(Step.VALIDATE_SHADOW_LOG)
    elif period:
        due |= {Step.AGGREGATE_DAY, Step.CHECK_HEALTH}
    if day in look_days(spec, calendar):
        due |= {Step.ANALYZE, Step.DECIDE}
        if spec.model:
            due.add(Step.PROMOTE)
            if spec.promotion.approval == "required":
                due.add(Step.APPROVE)
    return tuple(step for step in Step if step in due)
