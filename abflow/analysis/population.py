"""Who is in a phase, and what they did: the numbers that every judgement starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from abflow.stats.moments import JointMoments, Moments
from abflow.stats.quantile_rows import QuantileRows
from abflow.stats.vector_moments import VectorMoments

Contamination = Literal["exclude", "keep_first"]
ENTRY_DAY = "entry_day"  # what units of one day of entry share


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
    """One metric in one variant: the moments over its mature units, and what they leave out.

    Attributes:
        moments: Of one number per unit whose mean is the metric; a ratio's and a quantile's units are linearised.
        lowest: The smallest of these numbers.
        highest: The largest of them.
        pair: Numerator and denominator of a ratio.
        history: What the units did, then what they did before they were exposed: two numbers per unit, or the four
            of a ratio.
        rows: Where the rows of a quantile lie.
    """

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
    pair: JointMoments | None = None
    history: VectorMoments | None = None
    rows: QuantileRows | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One metric in one variant among units that share something: the day of entry, or a level of a segment.

    Attributes:
        by: `entry_day`, or the segment's name.
        level: The day, or the segment's level.
        non_zero: Units with a value other than 0.
        pair: Numerator and denominator of a ratio.
    """

    metric: str
    variant: str
    contamination: Contamination
    by: str
    level: str
    moments: Moments
    non_zero: int
    pair: JointMoments | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUnits:
    """Units of one variant in one level of a segment, before anybody is left out."""

    segment: str
    level: str
    variant: str
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Units that are in another experiment too, by both variants."""

    experiment: str
    variant: str
    other_variant: str
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyEffects:
    """What one variant's units did on each day since they entered, over units observed on all of them.

    Attributes:
        mean: Mean per unit, one number per day since exposure.
        covariance: Of these numbers over units, one row per day.
    """

    metric: str
    variant: str
    units: int
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Everybody who was exposed in a phase."""

    cohorts: tuple[Cohort, ...]
    measured: tuple[Measured, ...]
    events_seen: tuple[str, ...]
    misassigned: int | None
    slices: tuple[Slice, ...] = ()
    segments: tuple[SegmentUnits, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    daily: tuple[DailyEffects, ...] = ()

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

    def sliced(self, metric: str, by: str, contamination: Contamination) -> tuple[Slice, ...]:
        """One metric in the parts of the population."""
        return tuple(s for s in self.slices if (s.metric, s.by, s.contamination) == (metric, by, contamination))

    def all_sliced(self, contamination: Contamination) -> dict[tuple[str, str], list[Slice]]:
        """Every metric in every kind of parts, by metric and kind."""
        found: dict[tuple[str, str], list[Slice]] = {}
        for part in self.slices:
            if part.contamination == contamination:
                found.setdefault((part.metric, part.by), []).append(part)
        return found

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
