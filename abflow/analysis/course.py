"""The days of a test on which something may be decided, and how many of its units count by then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from abflow.analysis.inflow import Inflow, counting_days
from abflow.spec.experiment import ExperimentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedDay:
    """The end of a day that brought new mature units.

    Attributes:
        spec: The plan by then: longer once the test goes on as it promised.
        number: Of the test, 1 for the first.
        share: Of all drawn units, those that are mature by then.
    """

    spec: ExperimentSpec
    number: int
    share: float

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
        units: Mature at the end of the longest course, all arms together.
        planned: Of them, at the cut-off of the plan.
    """

    units: int
    planned: float
    days: tuple[PlayedDay, ...]


def course_of(spec: ExperimentSpec, inflow: Inflow) -> Course:
    """When a plan is read, and with how many of its units."""
    longest = spec.extended
    first, last = spec.looks[-1], longest.looks[-1]
    most = inflow.units(counting_days(longest, days=last))

    def days() -> Iterator[PlayedDay]:
        before = 0.0
        for number in range(1, last + 1):
            plan = spec if number <= first else longest
            mature = inflow.units(counting_days(plan, days=number))
            if mature > before or number in (first, last):
                yield PlayedDay(spec=plan, number=number, share=mature / most if most else 0.0)
            before = mature

    return Course(units=round(most), planned=inflow.units(counting_days(spec, days=first)), days=tuple(days()))
