"""Who is in a phase, and what they did: the numbers that every judgement starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from abflow.stats.moments import Moments

Contamination = Literal["exclude", "keep_first"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Units of one variant that entered on one day.

    Attributes:
        enrolled: Whether they entered early enough to count.
        crossed: Whether they were seen in another variant as well.
    """

    variant: str
    day: date
    enrolled: bool
    crossed: bool
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric in one variant: the moments over its mature units, and what they leave out."""

    metric: str
    variant: str
    contamination: Contamination
    moments: Moments
    lowest: float
    highest: float
    non_zero: int
    immature: int
    cap: float | None
    cap_removes_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Everybody who was exposed in a phase."""

    cohorts: tuple[Cohort, ...]
    measured: tuple[Measured, ...]
    events_seen: tuple[str, ...]
    misassigned: int | None

    def units(self, of: Callable[[Cohort], bool] = lambda _: True) -> dict[str, int]:
        """Enrolled units by variant."""
        counts: dict[str, int] = {}
        for cohort in self.cohorts:
            if cohort.enrolled and of(cohort):
                counts[cohort.variant] = counts.get(cohort.variant, 0) + cohort.units
        return counts

    @property
    def enrolled(self) -> int:
        """Units that entered in time."""
        return sum(self.units().values())

    @property
    def too_late(self) -> int:
        """Units first seen after enrolment had ended."""
        return sum(cohort.units for cohort in self.cohorts if not cohort.enrolled)

    @property
    def crossed(self) -> int:
        """Enrolled units that were seen in more than one variant."""
        return sum(self.units(lambda cohort: cohort.crossed).values())

    def of(self, metric: str, variant: str, contamination: Contamination) -> Measured | None:
        """One metric in one variant, or None when the variant has no units."""
        return next(
            (
                measured
                for measured in self.measured
                if (measured.metric, measured.variant, measured.contamination) == (metric, variant, contamination)
            ),
            None,
        )
