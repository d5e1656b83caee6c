"""May the numbers be read at all? The checks of the sample ratio and of the assignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Cohort, Population
from abflow.analysis.propensities import (
    balance_check,
    balance_of_day,
    balance_over_time,
    balance_so_far,
    without_propensity,
)
from abflow.analysis.sample_ratio import (
    SRM_FAIL,
    sample_ratio_check,
    sequential_sample_ratio,
    split_of_day,
    split_over_time,
)
from abflow.analysis.wording import count, p_value, percent, spans
from abflow.spec.assignment import bucket_shares
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.propensity_balance import propensity_balance
from abflow.stats.result import Unavailable
from abflow.stats.srm import sample_ratio

CONTAMINATION_WARN = 0.001
MISASSIGNED_FAIL = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How many exposures a model version answered for a variant."""

    variant: str
    model_version: str | None
    fallback: bool
    exposures: int


def rows_of_the_test(test_start: date, last_days: Mapping[date, date]) -> tuple[Check, ...]:
    """Do files of the A/A phase hold rows of the test? They count in neither: nothing where there are none.

    Args:
        test_start: The first day that is not of the A/A phase.
        last_days: By day of a file, the UTC day of its last row.
    """
    found = {day: last for day, last in last_days.items() if last >= test_start}
    if not found:
        return ()
    sentence = (
        f"Files of the A/A phase ({spans(found)}) hold rows of {max(found.values())}, which count neither there nor in "
        "the test. Where the day of a file is no day of UTC, say `day: timestamp` of the log."
    )
    return (Check(name="rows of the test in A/A files", status=Status.WARN, sentence=sentence),)


def daily_checks(
    spec: ExperimentSpec, population: Population, *, day: date | None = None, days: int = 1
) -> tuple[Check, ...]:
    """The checks that may be looked at every day without a price.

    Args:
        spec: The experiment.
        population: Everybody who entered the phase so far.
        day: Its last day, whose own split is tested once; None when that is done elsewhere.
        days: Days on which units may enter, which share the error of these tests.
    """
    if population.inverse_propensity():
        ratio = (balance_so_far(population), *without_propensity(population))
        of_day = (balance_of_day(population, day, days=days),) if day else ()
    else:
        ratio = (sequential_sample_ratio(spec, population),)
        of_day = (split_of_day(spec, population, day, days=days),) if day else ()
    return (
        *ratio,
        *of_day,
        contamination(spec, population),
        *misassignment(population),
    )


def horizon_checks(spec: ExperimentSpec, population: Population, *, days: int) -> tuple[Check, ...]:
    """The checks at the end of a phase.

    Args:
        spec: The experiment.
        population: Everybody who entered the phase.
        days: Days on which units could enter.
    """

    def is_analysed(cohort: Cohort) -> bool:
        return spec.analysis.contamination == "keep_first" or not cohort.crossed

    analysed = "sample ratio of the analysed units"
    if weighed := population.inverse_propensity():
        ratio = (
            balance_check("sample ratio", weighed),
            balance_check(analysed, population.inverse_propensity(is_analysed)),
            balance_over_time(population, days=days),
            *without_propensity(population),
        )
    else:
        ratio = (
            sample_ratio_check("sample ratio", spec, population.units()),
            sample_ratio_check(analysed, spec, population.units(is_analysed)),
            split_over_time(spec, population, days=days),
        )
    return (
        *ratio,
        contamination(spec, population),
        *misassignment(population),
    )


def contamination(spec: ExperimentSpec, population: Population) -> Check:
    """How many units were seen in two variants, and are they tied to one of them?"""
    name = "contamination"
    enrolled, crossed = population.enrolled, population.crossed
    if not enrolled:
        return Check(name=name, status=Status.NOT_CHECKED, sentence="Contamination: there are no units yet.")
    share = crossed / enrolled
    limit = 0.01 if spec.assignment == "hash" else 0.10
    counted = f"{count(crossed)} of {count(enrolled)} units ({percent(share)}) were seen in two variants"
    numbers = {"share": share}
    if share > limit:
        sentence = f"{counted}; allowed is {percent(limit)}."
        return Check(name=name, status=Status.FAIL, sentence=sentence, numbers=numbers)
    if share > CONTAMINATION_WARN:
        p = _began_as_planned(spec, population)
        if p is not None:
            numbers["p_value"] = p
            if p < SRM_FAIL:
                sentence = f"{counted}, and they began mostly in one variant (p {p_value(p)})."
                return Check(name=name, status=Status.FAIL, sentence=sentence, numbers=numbers)
        return Check(name=name, status=Status.WARN, sentence=f"{counted}.", numbers=numbers)
    return Check(name=name, status=Status.PASS, sentence=f"{counted}.", numbers=numbers)


def _began_as_planned(spec: ExperimentSpec, population: Population) -> float | None:
    """The p-value that units seen in two variants began in each as often as planned; None when it cannot be told."""
    if weighed := population.inverse_propensity(lambda cohort: cohort.crossed):
        found = propensity_balance(weighed)
        return None if isinstance(found, Unavailable) else min(arm.adjusted_p for arm in found.values())
    shares, units = bucket_shares(spec), population.units(lambda cohort: cohort.crossed)
    result = sample_ratio({variant: units.get(variant, 0) for variant in shares}, shares)
    return None if isinstance(result, Unavailable) else result.p_value


def misassignment(population: Population) -> tuple[Check, ...]:
    """Does the log name the variant that the hash gives? Only where abflow's hash assigns."""
    if population.misassigned is None:
        return ()
    name = "recomputed assignment"
    total = sum(cohort.units for cohort in population.cohorts)
    if not total:
        return (Check(name=name, status=Status.NOT_CHECKED, sentence="Assignment: there are no units yet."),)
    share = population.misassigned / total
    counted = (
        f"{count(population.misassigned)} of {count(total)} units ({percent(share)}) are logged in another variant "
        "than the hash gives them"
    )
    if share > MISASSIGNED_FAIL:
        sentence = f"{counted}; check the salt, the order of the variants and the router."
        return (Check(name=name, status=Status.FAIL, sentence=sentence, numbers={"share": share}),)
    status = Status.WARN if population.misassigned else Status.PASS
    return (Check(name=name, status=status, sentence=f"{counted}.", numbers={"share": share}),)


def served_version(spec: ExperimentSpec, answered: tuple[Answered, ...], expected: Mapping[str, str | None]) -> Check:
    """Did the version answer that the variant stands for? Marked fallbacks are counted apart.

    Args:
        spec: The experiment.
        answered: Who answered, as logged.
        expected: The version that should answer for each variant; None where it is not known.
    """
    name = "served version"
    known = [a for a in answered if a.model_version is not None and expected.get(a.variant) is not None]
    total = sum(a.exposures for a in known if not a.fallback)
    if not total:
        return Check(
            name=name,
            status=Status.NOT_CHECKED,
            sentence="Served version: the log or the experiment names no model versions.",
        )
    wrong = sum(a.exposures for a in known if not a.fallback and a.model_version != expected[a.variant])
    fallbacks = sum(a.exposures for a in answered if a.fallback)
    share = wrong / total
    limit = 0.01 if spec.assignment == "hash" else 0.10
    status = Status.FAIL if share > limit else Status.WARN if share > CONTAMINATION_WARN else Status.PASS
    sentence = (
        f"{count(wrong)} of {count(total)} exposures ({percent(share)}) were answered by another version than "
        f"the variant's; {count(fallbacks)} by a marked fallback."
    )
    return Check(name=name, status=status, sentence=sentence, numbers={"share": share, "fallbacks": fallbacks})
