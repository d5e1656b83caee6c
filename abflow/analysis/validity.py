"""May the numbers be read at all? The checks of the sample ratio and of the assignment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Population
from abflow.analysis.wording import count, p_value, percent
from abflow.spec.assignment import bucket_shares
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.result import Unavailable
from abflow.stats.sample_ratio_periods import Period as PeriodCounts
from abflow.stats.sample_ratio_periods import split_over_time as over_periods
from abflow.stats.srm import mixture_log_e, sample_ratio

# A false "invalid" costs a whole experiment: all of these checks together may raise it once in a hundred.
SRM_FAIL, SRM_WARN = 0.001, 0.01
E_VALUE_FAIL, E_VALUE_WARN = 1000.0, 100.0
CONTAMINATION_WARN = 0.001
MISASSIGNED_FAIL = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How many exposures a model version answered for a variant."""

    variant: str
    model_version: str | None
    fallback: bool
    exposures: int


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
    return (
        sequential_sample_ratio(spec, population),
        *((split_of_day(spec, population, day, days=days),) if day else ()),
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
    return (
        sample_ratio_check("sample ratio", spec, population.units()),
        sample_ratio_check(
            "sample ratio of the analysed units", spec, population.units(lambda cohort: not cohort.crossed)
        ),
        split_over_time(spec, population, days=days),
        contamination(spec, population),
        *misassignment(population),
    )


def sample_ratio_check(name: str, spec: ExperimentSpec, units: Mapping[str, int]) -> Check:
    """Did every variant get its share of the units? Counted before anybody is left out."""
    shares = bucket_shares(spec)
    counts = {variant: units.get(variant, 0) for variant in shares}
    result = sample_ratio(counts, shares)
    if isinstance(result, Unavailable):
        return Check(name=name, status=Status.NOT_CHECKED, sentence=f"The {name} is not tested: {result.detail}.")
    p = result.p_value
    split = _split(counts, shares)
    numbers = {"p_value": p, **{f"units_{i}": float(n) for i, n in enumerate(counts.values())}}
    if p < SRM_FAIL:
        sentence = f"The {name} is off: {split} (p {p_value(p)})."
        return Check(name=name, status=Status.FAIL, sentence=sentence, numbers=numbers)
    sentence = f"The {name} fits the plan: {split} (p {p_value(p)})."
    status = Status.WARN if p < SRM_WARN else Status.PASS
    return Check(name=name, status=status, sentence=sentence, numbers=numbers)


def sequential_sample_ratio(spec: ExperimentSpec, population: Population) -> Check:
    """The sample ratio so far, by an e-value that holds however often it is looked at.

    References:
        Lindon, Malek (2022), arXiv 2011.03567.
    """
    shares = bucket_shares(spec)
    units = population.units()
    counts = {variant: units.get(variant, 0) for variant in shares}
    log_e = mixture_log_e(counts, shares)
    name = "sample ratio so far"
    if isinstance(log_e, Unavailable):
        return Check(name=name, status=Status.NOT_CHECKED, sentence=f"The sample ratio: {log_e.detail}.")
    status = (
        Status.FAIL
        if log_e >= math.log(E_VALUE_FAIL)
        else Status.WARN
        if log_e >= math.log(E_VALUE_WARN)
        else Status.PASS
    )
    word = "is off" if status is Status.FAIL else "fits the plan so far"
    evidence = f"e-value {math.exp(min(log_e, 700)):.3g}, {E_VALUE_FAIL:g} would end the experiment"
    return Check(
        name=name,
        status=status,
        sentence=f"The sample ratio {word}: {_split(counts, shares)} ({evidence}).",
        numbers={"log_e_value": log_e},
    )


def split_of_day(spec: ExperimentSpec, population: Population, day: date, *, days: int) -> Check:
    """Is the split right among the units that entered on this day?"""
    name, shares = "split of the day", bucket_shares(spec)
    units = population.units(_entered_on(day))
    counts = {variant: units.get(variant, 0) for variant in shares}
    result = sample_ratio(counts, shares)
    if isinstance(result, Unavailable):
        return Check(
            name=name, status=Status.NOT_CHECKED, sentence=f"The split of {day} is not tested: {result.detail}."
        )
    p = result.p_value
    status = Status.FAIL if p < SRM_FAIL / days else Status.WARN if p < SRM_WARN / days else Status.PASS
    words = "is off" if status is Status.FAIL else "fits the plan"
    sentence = f"The split of {day} {words}: {_split(counts, shares)} (p {p_value(p)})."
    return Check(name=name, status=status, sentence=sentence, numbers={"p_value": p})


def split_over_time(spec: ExperimentSpec, population: Population, *, days: int) -> Check:
    """Is the split right on every day? A ratio right in total can hide an assignment tied to time."""
    name, shares = "split over time", bucket_shares(spec)
    entered = sorted({cohort.day for cohort in population.cohorts if cohort.enrolled})
    units = {day: population.units(_entered_on(day)) for day in entered}
    counts = {day: {variant: units[day].get(variant, 0) for variant in shares} for day in entered}
    found = over_periods({day: PeriodCounts(counts=counts[day], shares=shares) for day in entered})
    if isinstance(found, Unavailable):
        return Check(name=name, status=Status.NOT_CHECKED, sentence=f"The split over time: {found.detail}.")
    together, smallest = found.together.p_value, found.by_period[found.worst].p_value
    numbers = {"p_value": together, "smallest_daily_p_value": smallest}
    if smallest < SRM_FAIL / days or together < SRM_FAIL:
        worst = f"{found.worst}: {_split(counts[found.worst], shares)}"
        sentence = f"The split changes over time: on {worst} (p {p_value(smallest)}; all days p {p_value(together)})."
        return Check(name=name, status=Status.FAIL, sentence=sentence, numbers=numbers)
    status = Status.WARN if smallest < SRM_WARN / days or together < SRM_WARN else Status.PASS
    sentence = f"The split is the planned one on every day (all days p {p_value(together)})."
    return Check(name=name, status=status, sentence=sentence, numbers=numbers)


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
        shares = bucket_shares(spec)
        units = population.units(lambda cohort: cohort.crossed)
        result = sample_ratio({variant: units.get(variant, 0) for variant in shares}, shares)
        if not isinstance(result, Unavailable):
            numbers["p_value"] = result.p_value
            if result.p_value < SRM_FAIL:
                sentence = f"{counted}, and they began mostly in one variant (p {p_value(result.p_value)})."
                return Check(name=name, status=Status.FAIL, sentence=sentence, numbers=numbers)
        return Check(name=name, status=Status.WARN, sentence=f"{counted}.", numbers=numbers)
    return Check(name=name, status=Status.PASS, sentence=f"{counted}.", numbers=numbers)


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


def _entered_on(day: date) -> Callable[..., bool]:
    return lambda cohort: cohort.day == day


def _split(counts: Mapping[str, int], shares: Mapping[str, float]) -> str:
    total = sum(counts.values())
    parts = (f"{v} {count(n)} (expected {count(total * shares[v])})" for v, n in counts.items())
    return ", ".join(parts)
