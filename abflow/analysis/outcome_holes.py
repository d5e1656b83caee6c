"""Did a part of the outcome log never arrive? A day without any event of a type, and a cohort that did nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from statistics import median

from abflow.analysis.gates import Check, Status
from abflow.analysis.population import ENTRY_DAY, Population
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import events_of

MIN_EXPECTED = 20  # units with a value that a cohort should have had; none instead has a chance of 2 in 10^9


def outcome_holes(spec: ExperimentSpec, population: Population, events_by_day: Mapping[date, Collection[str]]) -> Check:
    """A hole is a day on which no event of a metric's type exists and that day's mature cohort has none.

    Units that entered on that day would have had at least 20 of them at the median cohort's rate.

    Args:
        spec: The experiment.
        population: Its units, with what each day's cohort did.
        events_by_day: Types of the events that lie on each day.
    """
    holes = []
    for name, metric in spec.plan.metrics.items():
        cohorts: dict[str, tuple[int, int]] = {}
        for part in population.sliced(name, ENTRY_DAY, spec.analysis.contamination):
            units, non_zero = cohorts.get(part.level, (0, 0))
            cohorts[part.level] = units + part.moments.n, non_zero + part.non_zero
        rates = [non_zero / units for units, non_zero in cohorts.values() if units]
        for day, (units, non_zero) in sorted(cohorts.items()):
            seen = events_by_day.get(date.fromisoformat(day), ())
            silent = any(event not in seen for event in events_of(metric))
            if silent and non_zero == 0 and units * median(rates) >= MIN_EXPECTED:
                holes.append(f"{name} on {day} ({units} units entered, about {units * median(rates):.0f} expected)")
    if holes:
        sentence = f"The outcome log has a hole: {'; '.join(holes[:3])}. Write these days again and run them again."
        return Check(name="outcome log", status=Status.FAIL, sentence=sentence, numbers={"holes": float(len(holes))})
    return Check(name="outcome log", status=Status.PASS, sentence="The outcome log has no hole.")
