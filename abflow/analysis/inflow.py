"""How many units come, day by day, and how long it takes until enough are there."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.analysis.population import Population
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec

WEEK = 7
SHORTEST_TEST = 14  # two of each weekday: a single odd one cannot make the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflow:
    """New units by day since enrolment began.

    Attributes:
        first: New units of the first days, as they were seen; empty when nobody has seen any.
        later: New units of every day after these.
        kept: The share of units that counts; the rest is seen in two variants and left out.
        source: Where the numbers come from.
    """

    first: tuple[float, ...]
    later: float
    kept: float
    source: str

    def units(self, enroll_days: int) -> float:
        """Units that count when enrolment lasts so many days."""
        seen = self.first[: max(enroll_days, 0)]
        return self.kept * (sum(seen) + self.later * max(enroll_days - len(self.first), 0))

    def days_until(self, units: float) -> int | None:
        """Whole days of enrolment until so many units count; None when they never come."""
        for day in range(len(self.first) + 1):
            if self.units(day) >= units:
                return day
        if self.later <= 0 or self.kept <= 0:
            return None
        missing = units - self.units(len(self.first))
        return len(self.first) + math.ceil(missing / (self.later * self.kept) - 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """The calendar of a test that gets the units it needs.

    Attributes:
        enroll_days: Days on which units enter, in whole weeks.
        days: From the first of them until the last unit's outcome window is over.
    """

    enroll_days: int
    days: int


def duration(units_needed: float, inflow: Inflow, *, window_days: int) -> Duration | None:
    """The shortest test that gets its units, in whole weeks of enrolment and at least 14 days in all.

    Args:
        units_needed: In all arms.
        inflow: How they come.
        window_days: Of the slowest metric; 0 when none has a window.

    Returns:
        The days; None when so many units never come.
    """
    enrol = inflow.days_until(units_needed)
    if enrol is None:
        return None
    weeks = max(math.ceil(enrol / WEEK), 1)
    while weeks * WEEK + window_days < SHORTEST_TEST:
        weeks += 1
    return Duration(enroll_days=weeks * WEEK, days=weeks * WEEK + window_days)


def inflow_of(
    spec: ExperimentSpec, aa: Population | None, aa_period: Period | None, *, units_per_day: float | None = None
) -> Inflow | None:
    """The A/A phase's new units, continued with the mean of its last half; else what somebody declared.

    Args:
        spec: The experiment.
        aa: The A/A population; None when the phase is skipped or not over.
        aa_period: Its days.
        units_per_day: Assumed for this one reckoning; it goes before everything else.

    Returns:
        How units come; None when nobody measured or declared it.
    """
    if units_per_day is not None:
        return Inflow(first=(), later=units_per_day, kept=1.0, source="assumed")
    if aa is None or aa_period is None or not aa.cohorts:
        declared = spec.sizing.baseline
        if declared is None:
            return None
        return Inflow(first=(), later=declared.units_per_day, kept=1.0, source=f"declared: {declared.source}")
    new = [0.0] * aa_period.days
    for cohort in aa.cohorts:
        new[aa_period.number_of(cohort.day) - 1] += cohort.units
    last_half = new[len(new) // 2 :]
    excluded = spec.analysis.contamination == "exclude" and aa.enrolled > 0
    return Inflow(
        first=tuple(new),
        later=sum(last_half) / len(last_half),
        kept=1 - aa.crossed / aa.enrolled if excluded else 1.0,
        source=f"{aa_period.days} days of A/A",
    )


def counting_days(spec: ExperimentSpec, *, days: int, metric: str | None = None) -> int:
    """Days of enrolment whose units have a metric's window over after so many days of test.

    Args:
        spec: The experiment.
        days: Of the test.
        metric: The metric; the primary when not given.
    """
    window = spec.metrics[metric or spec.primary_name].window_days or 0
    return max(min(spec.enroll_days, days - window), 0)
