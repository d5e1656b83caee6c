"""Who is in a phase, and what they did: the numbers that every judgement starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from abflow.analysis.attribution import Attribution, ExposureRows
from abflow.stats.moments import EMPTY, JointMoments, Moments
from abflow.stats.quantile_rows import QuantileRows
from abflow.stats.vector_moments import VectorMoments

Contamination = Literal["exclude", "keep_first"]
POLICIES: tuple[Contamination, ...] = ("exclude", "keep_first")
ENTRY_DAY = "entry_day"  # what units of one day of entry share
CALENDAR_DAY = "calendar_day"  # what all units did on one day; a unit is in many of these


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """Units of one variant that entered on one day.

    Attributes:
        enrolled: Whether they entered early enough to count.
        crossed: Whether they were seen in another variant as well.
        inverse_propensity: Of 1 over the logged probability of the variant that a unit got, over the units that have
            one; None where the log has none, or nobody needs it because abflow's own hash assigns.
    """

    variant: str
    day: date
    enrolled: bool
    crossed: bool
    units: int
    inverse_propensity: Moments | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric in one variant: the moments over its mature units, and what they leave out.

    Attributes:
        moments: Of one number per unit whose mean is the metric; a ratio's and a quantile's units are linearised.
        lowest: The smallest of these numbers; of a quantile, none of whose units is ever left out, the quantile.
        highest: The largest of them; of a quantile the quantile.
        non_zero: Units with another number than 0; of a quantile those with rows on either side of it, whichever side
            has fewer of them.
        without_denominator: Mature units of a ratio that have a numerator and no denominator.
        pair: Numerator and denominator of a ratio.
        history: What the units did, then what they did before they were exposed: two numbers per unit, or the four
            of a ratio.
        history_days: Days before the phase whose logs the history was read from.
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
    without_denominator: int = 0
    pair: JointMoments | None = None
    history: VectorMoments | None = None
    history_days: int = 0
    rows: QuantileRows | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One metric in one variant among units that share something: the day of entry, or a level of a segment.

    Attributes:
        by: `entry_day`, or the segment's name; or `calendar_day`, which says of all units what they did on a day, so
            that these slices have units in common.
        level: The day, or the segment's level.
        non_zero: Units with a value other than 0.
        pair: Numerator and denominator of a ratio.
        lowest: The smallest value of a unit; None of a ratio, and where nobody keeps it.
        highest: The largest.
    """

    metric: str
    variant: str
    contamination: Contamination
    by: str
    level: str
    moments: Moments
    non_zero: int
    pair: JointMoments | None = None
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUnits:
    """Units of one variant in one level of a segment, before anybody is left out.

    Attributes:
        inverse_propensity: As of a `Cohort`.
    """

    segment: str
    level: str
    variant: str
    units: int
    inverse_propensity: Moments | None = None


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
        moments: Of one number per unit and day since exposure.
    """

    metric: str
    variant: str
    moments: VectorMoments


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
    attribution: tuple[Attribution, ...] = ()
    exposures: ExposureRows | None = None

    def units(self, of: Callable[[Cohort], bool] = lambda _: True) -> dict[str, int]:
        """Enrolled units by variant."""
        counts: dict[str, int] = {}
        for cohort in self.cohorts:
            if cohort.enrolled and of(cohort):
                counts[cohort.variant] = counts.get(cohort.variant, 0) + cohort.units
        return counts

    def inverse_propensity(self, of: Callable[[Cohort], bool] = lambda _: True) -> dict[str, Moments]:
        """Of 1 over each enrolled unit's logged probability, by variant; nothing where the log has none."""
        found: dict[str, Moments] = {}
        for cohort in self.cohorts:
            if cohort.enrolled and cohort.inverse_propensity and of(cohort):
                found[cohort.variant] = found.get(cohort.variant, EMPTY) + cohort.inverse_propensity
        return found

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
