"""One drawn test, played through from its first day to its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from abflow.analysis.compare import compare
from abflow.analysis.course import Course, PlayedDay
from abflow.analysis.dealt_by_results import Dealt
from abflow.analysis.drawn_population import population_of
from abflow.analysis.drawn_units import Arms
from abflow.analysis.extension import is_precise, precision_reached
from abflow.analysis.harm import Harm, find_harm
from abflow.analysis.looks import Look, PastLook, left_behind
from abflow.analysis.population import Contamination, Population
from abflow.analysis.readout import Comparison, Readout
from abflow.analysis.suspect_days import suspect_days
from abflow.analysis.unit_records import UnitRecords
from abflow.analysis.verdict import Decision, Verdict, decide, stopped_for_harm
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec

# Of the permutation test where one unit carries much of the effect: a p-value of 0.05 is known to 0.007, in a tenth of
# the time that a real look takes for it.
SPLITS = 1000


def play(course: Course, arms: Arms) -> Verdict:
    """Let a plan decide on drawn units, as it would from day to day.

    On every day arms that do harm are dropped; on the days of its looks the primary is read; at the cut-off a test
    that promised to go on does, unless it is precise enough. No check fails, and no unit crosses.

    Args:
        course: The days.
        arms: The units of every arm, in the order in which they enter.
    """
    past: tuple[PastLook, ...] = ()
    dropped: dict[str, Harm] = {}
    suspect = suspect_days(course.days[0].spec, arms, [day.shares for day in course.days])
    for day, may_harm in zip(course.days, suspect, strict=True):
        if not (day.is_look or may_harm):
            continue
        spec = day.spec
        so_far = {arm: {name: drawn.first(day.shares[name]) for name, drawn in of.items()} for arm, of in arms.items()}
        population = population_of(spec, so_far)
        harms = _harms(day, population, course, dropped) if may_harm else {}
        if len(dropped) + len(harms) == len(spec.treatments):
            on = calendar_of(spec).test.start + timedelta(days=day.number - 1)
            return stopped_for_harm(spec, [*dropped.values(), *harms.values()], on=on, spec_sha256="", continued={})
        if day.is_look and not _goes_on(day, population, dropped):
            look = Look(day=day.number, final=day.is_last, planned=course.planned, past=past)
            comparisons, verdict = _read(spec, population, so_far, look, dropped)
            if verdict.decision is not Decision.NONE_YET:
                return verdict
            past = (*past, left_behind(look, comparisons))
        dropped |= harms  # a look knows the arms that were dropped before its day
    raise TypeError("the cut-off decides")  # a bug: the last look is final


def play_dealt(spec: ExperimentSpec, dealt: Dealt, *, planned: float) -> Verdict:
    """Let a plan decide on units that were dealt by what the days had shown: once, at the cut-off.

    Nobody asks for harm before; see the hard limits of the router.

    Args:
        spec: The experiment.
        dealt: The units of every arm, and the primary by day of entry.
        planned: Units at the cut-off, all arms together.
    """
    population = replace(population_of(spec, dealt.arms), slices=dealt.days)
    look = Look(day=spec.phases.test.days, final=True, planned=planned)
    return _read(spec, population, dealt.arms, look, {})[1]


def _harms(day: PlayedDay, population: Population, course: Course, dropped: Mapping[str, Harm]) -> dict[str, Harm]:
    """Arms that are found to do harm on this day, before its look; on the last day nobody asks."""
    if day.is_last:
        return {}
    harms = find_harm(day.spec, population, day=day.number, planned=course.planned, dropped=dropped)
    return {harm.arm: harm for harm in harms}


def _goes_on(day: PlayedDay, population: Population, dropped: Mapping[str, Harm]) -> bool:
    """Whether a test goes on past the cut-off of its plan, as it promised."""
    if not day.is_last or day.spec.phases.test.extend is None:
        return False
    return not is_precise(precision_reached(day.spec, population, dropped=dropped))


def _read(
    spec: ExperimentSpec, population: Population, arms: Arms, look: Look, dropped: Mapping[str, Harm]
) -> tuple[tuple[Comparison, ...], Verdict]:
    """A look and its verdict.

    Before the cut-off the permutation test is asked only where the look ends the test: it takes wins and rejections
    back, and gives none.
    """

    def values(metric: str, _: Contamination) -> dict[str, UnitRecords]:
        return {arm: of[metric].records for arm, of in arms.items()}

    def read(*, in_full: bool) -> tuple[tuple[Comparison, ...], Verdict]:
        fetch, policy = values if in_full else None, spec.analysis.contamination
        comparisons = compare(spec, population, contamination=policy, look=look, values=fetch, splits=SPLITS)
        return comparisons, verdict_on(spec, comparisons, day=look.day, final=look.final, dropped=dropped)

    found = read(in_full=look.final)
    if look.final or found[1].decision is Decision.NONE_YET:
        return found
    return read(in_full=True)


def verdict_on(
    spec: ExperimentSpec,
    comparisons: tuple[Comparison, ...],
    *,
    day: int,
    final: bool,
    dropped: Mapping[str, Harm] | None = None,
) -> Verdict:
    """The verdict on a look in which no check failed and no unit crossed."""
    readout = Readout(
        experiment=spec.experiment,
        spec_sha256="",
        inputs="",
        cut_off=calendar_of(spec).test.start + timedelta(days=day),
        units={},
        too_late=0,
        crossed=0,
        contamination="exclude",
        checks=(),
        comparisons=comparisons,
        beside=tuple(replace(comparison, contamination="keep_first") for comparison in comparisons),
        day=day,
        final=final,
    )
    return decide(
        spec,
        readout,
        readout_sha256="",
        versions=dict.fromkeys(spec.variants),
        champion_moved=None,
        dropped=dropped,
    )
