"""What earlier looks have left behind, and what this one leaves for the next."""

from __future__ import annotations

from datetime import date

from abflow.analysis.looks import Look, PastLook, left_behind
from abflow.analysis.peeking import Peek, as_read
from abflow.analysis.readout import Readout
from abflow.lifecycle.bench import Bench
from abflow.spec.calendar import look_days
from abflow.spec.experiment import ExperimentSpec


def look_on(bench: Bench, day: date, *, planned: float) -> Look:
    """The look of a day; a look that was taken before is the same look, and one that was missed is left out.

    Args:
        bench: The experiment.
        day: One of the plan's days.
        planned: Units of all variants together that the plan expects at the cut-off.
    """
    number = bench.calendar.test.number_of(day)
    earlier = (
        bench.store.find(_name(each), PastLook) for each in look_days(bench.course, bench.calendar) if each < day
    )
    return Look(
        day=number,
        final=day == bench.calendar.last,
        planned=planned,
        past=tuple(look for look in earlier if look),
        again=bench.store.find(_name(day), PastLook),
    )


def keep_look(bench: Bench, day: date, look: Look, readout: Readout) -> None:
    """Keep what the next look must know."""
    bench.store.save(_name(day), left_behind(look, readout.comparisons, readout.beside))


def peeks_of(bench: Bench) -> tuple[Peek, ...]:
    """Who looked at the test before its cut-off although its plan reads it once."""
    days = bench.calendar.test.days_through(bench.calendar.last)
    return tuple(peek for day in days if (peek := bench.store.find(peek_name(day), Peek)))


def as_it_is_read(bench: Bench) -> ExperimentSpec:
    """The plan as the test is read: longer when it was extended, by confidence sequences after a peek."""
    return as_read(bench.course, peeks_of(bench))


def peek_name(day: date) -> str:
    """What a peek is kept under."""
    return f"peeks/date={day}"


def _name(day: date) -> str:
    return f"looks/date={day}"
