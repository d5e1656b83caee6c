"""Did every variant get its share of the units? In total, day by day, and on every day so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date

from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Population
from abflow.analysis.wording import count, p_value
from abflow.spec.assignment import bucket_shares
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.result import Unavailable
from abflow.stats.sample_ratio_periods import Period as PeriodCounts
from abflow.stats.sample_ratio_periods import split_over_time as over_periods
from abflow.stats.srm import mixture_log_e, sample_ratio

# A false "invalid" costs a whole experiment: all validity checks together may raise it once in a hundred.
SRM_FAIL, SRM_WARN = 0.001, 0.01
E_VALUE_FAIL, E_VALUE_WARN = 1000.0, 100.0


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
        Lindon, Malek (2022), arXiv 2011.03567, section 2.
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


def _entered_on(day: date) -> Callable[..., bool]:
    return lambda cohort: cohort.day == day


def _split(counts: Mapping[str, int], shares: Mapping[str, float]) -> str:
    total = sum(counts.values())
    parts = (f"{v} {count(n)} (expected {count(total * shares[v])})" for v, n in counts.items())
    return ", ".join(parts)
