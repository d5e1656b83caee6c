"""Which validity checks belong where: what may be asked at every look, and what is asked once, at an end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from abflow.analysis.comparability import controls_agree, overlap_checks, pre_period_difference, split_by_segment
from abflow.analysis.gates import Check
from abflow.analysis.outcome_holes import outcome_holes
from abflow.analysis.population import Population
from abflow.analysis.validity import daily_checks, horizon_checks
from abflow.spec.experiment import ExperimentSpec


def checks_of_look(
    spec: ExperimentSpec,
    population: Population,
    *,
    days: int,
    events_by_day: Mapping[date, Collection[str]],
    ends: bool,
) -> tuple[Check, ...]:
    """May the numbers of this look be read?

    A test at a fixed error level adds a false alarm with every look, so each is made once: at the look that ends the
    test, at the latest at the cut-off. What chance cannot wear out is asked at every look: the sample ratio by an
    e-value, limits on counts, and a hole in the outcome log, which chance makes twice in 10^9.

    Args:
        spec: The experiment.
        population: Everybody who entered the test so far.
        days: Days on which units may enter.
        events_by_day: Types of the events that lie on each day.
        ends: Whether this look ends the test.
    """
    if ends:
        return checks_of_end(spec, population, days=days, events_by_day=events_by_day)
    return (*daily_checks(spec, population), outcome_holes(spec, population, events_by_day))


def checks_of_end(
    spec: ExperimentSpec, population: Population, *, days: int, events_by_day: Mapping[date, Collection[str]]
) -> tuple[Check, ...]:
    """May the numbers of a whole phase be read? Every check there is, at the end of the test or of the A/A phase.

    Args:
        spec: The experiment.
        population: Everybody who entered the phase.
        days: Days on which units could enter.
        events_by_day: Types of the events that lie on each day.
    """
    return (
        *horizon_checks(spec, population, days=days),
        *split_by_segment(spec, population),
        *pre_period_difference(spec, population),
        *controls_agree(spec, population),
        *overlap_checks(population.overlaps),
        outcome_holes(spec, population, events_by_day),
    )
