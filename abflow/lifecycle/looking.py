"""What earlier looks have left behind, and what this one leaves for the next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from abflow.analysis.looks import Look, PastLook, left_behind
from abflow.analysis.readout import Comparison
from abflow.lifecycle.bench import Bench
from abflow.spec.calendar import look_days


def look_on(bench: Bench, day: date, *, planned: float) -> Look:
    """The look of a day; a look that was taken before is the same look, and one that was missed is left out.

    Args:
        bench: The experiment.
        day: One of the plan's days.
        planned: Units of all variants together that the plan expects at the cut-off.
    """
    number = bench.calendar.test.number_of(day)
    earlier = (bench.store.find(_name(each), PastLook) for each in look_days(bench.spec, bench.calendar) if each < day)
    return Look(
        day=number,
        final=day == bench.calendar.last,
        planned=planned,
        past=tuple(look for look in earlier if look),
        again=bench.store.find(_name(day), PastLook),
    )


def keep_look(bench: Bench, day: date, look: Look, comparisons: Sequence[Comparison]) -> None:
    """Keep what the next look must know."""
    bench.store.save(_name(day), left_behind(look, comparisons))


def _name(day: date) -> str:
    return f"looks/date={day}"
