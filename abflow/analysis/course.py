"""The days of a test on which something may be decided, and how many of its units count by then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from abflow.analysis.inflow import Inflow, counting_days
from abflow.spec.experiment import ExperimentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedDay:
    """The end of a day that brought new mature units.

    Attributes:
        spec: The plan by then: longer once the test goes on as it promised.
        number: Of the test, 1 for the first.
        shares: Of all drawn units, those that are mature by then, by metric.
    """

    spec: ExperimentSpec
    number: int
    shares: Mapping[str, float]

    @property
    def is_look(self) -> bool:
        """Whether the primary is read."""
        return self.number in self.spec.looks

    @property
    def is_last(self) -> bool:
        """Whether it is the cut-off."""
        return self.number == self.spec.looks[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The days of a test on which something may be decided, those of its extension behind those of its plan.

    Attributes:
        units: That enter and are mature in some metric at the end of the longest course, all arms together.
        longest: Of them, those that are mature in the primary then.
        planned: Those that are mature in the primary at the cut-off of the plan.
    """

    units: int
    longest: float
    planned: float
    days: tuple[PlayedDay, ...]


def course_of(spec: ExperimentSpec, inflow: Inflow) -> Course:
    """When a plan is read, and with how many of its units."""
    longest, primary = spec.extended, spec.primary_name
    first, last = spec.looks[-1], longest.looks[-1]

    def mature(plan: ExperimentSpec, number: int) -> dict[str, float]:
        return {name: inflow.units(counting_days(plan, days=number, metric=name)) for name in spec.metrics}

    at_last = mature(longest, last)
    most = max(at_last.values())

    def days() -> Iterator[PlayedDay]:
        before = dict.fromkeys(spec.metrics, 0.0)
        for number in range(1, last + 1):
            plan = spec if number <= first else longest
            now = mature(plan, number)
            if now != before or number in (first, last):
                shares = {name: units / most if most else 0.0 for name, units in now.items()}
                yield PlayedDay(spec=plan, number=number, shares=shares)
            before = now

    return Course(units=round(most), longest=at_last[primary], planned=mature(spec, first)[primary], days=tuple(days()))
