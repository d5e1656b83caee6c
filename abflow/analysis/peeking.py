"""A look that nobody planned: what is kept of it, and how the test is read from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from abflow.spec.experiment import ExperimentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Peek:
    """Somebody looked at the primary of a test that is read once, before its cut-off.

    Attributes:
        day: The last day whose data were seen.
        number: That day's number in the test, 1 for the first.
        at: When somebody looked.
    """

    day: date
    number: int
    by: str
    reason: str
    at: datetime


def why_no_peek(spec: ExperimentSpec) -> str | None:
    """Why a plan has no use for a peek, or None where it has."""
    analysis, name = spec.analysis, spec.primary_name
    if analysis.method != "fixed_horizon":
        return f"a peek is for fixed_horizon; {analysis.method} reads {name} by its own rule, on the days of its plan"
    if spec.allocation == "thompson":
        return "a peek is for an allocation that does not follow the data; thompson's effects hold at the horizon only"
    if isinstance(getattr(spec.primary, "cap", None), str):
        return f"the cap of {name} is a percentile, which moves from look to look, so no interval holds at all of them"
    return None


def as_read(spec: ExperimentSpec, peeks: Sequence[Peek]) -> ExperimentSpec:
    """The plan as it is read: after a peek by a confidence sequence, which holds however often anybody looked.

    The plan's days stay as they are: a peek adds no look at which the test could end.

    Args:
        spec: The frozen plan.
        peeks: Who looked at the test.
    """
    if not peeks:
        return spec
    return spec.model_copy(update={"analysis": spec.analysis.model_copy(update={"method": "always_valid"})})


def peeks_in_words(peeks: Sequence[Peek]) -> str:
    """On which days somebody looked."""
    days = [str(peek.number) for peek in peeks]
    if len(days) == 1:
        return f"on day {days[0]}"
    return f"on days {', '.join(days[:-1])} and {days[-1]}"
