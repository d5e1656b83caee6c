"""Weights of its own for every unit: the sample ratio against the logged probabilities."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from abflow.analysis.comparability import split_by_segment
from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Cohort, Population, SegmentUnits
from abflow.analysis.propensities import balance_so_far
from abflow.analysis.sample_ratio import sample_ratio_check
from abflow.analysis.validity import daily_checks, horizon_checks
from abflow.stats.moments import EMPTY, moments_of
from tests.analysis.experiments import FIRST, cohort, population_of, spec_of

SPEC = spec_of(assignment="external", segments=["country"])
DAYS = 7


def drawn(
    seed: int, *, units: int = 7000, lost: float = 0.0, on: int | None = None, level: int | None = None
) -> Population:
    """Units whose chance of the treatment is their own; some of the treatment's are lost, on a day or in a country."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.5, 0.9, units)
    treated = rng.random(units) < chance
    day, country = rng.integers(0, DAYS, units), rng.integers(0, 2, units)
    gone = treated & (rng.random(units) < lost)
    if on is not None:
        gone &= day == on
    if level is not None:
        gone &= country == level
    weights = np.where(treated, 1 / chance, 1 / (1 - chance))
    cells = [(variant, of) for variant, of in (("old", ~treated), ("new", treated & ~gone))]
    return population_of(
        cohorts=tuple(_cohort(variant, n, weights[of & (day == n)]) for n in range(DAYS) for variant, of in cells),
        segments=tuple(_level(variant, n, weights[of & (country == n)]) for n in (0, 1) for variant, of in cells),
    )


def _cohort(variant: str, day: int, weights: NDArray[np.float64]) -> Cohort:
    return replace(cohort(variant, len(weights), day=day + 1), inverse_propensity=moments_of(weights))


def _level(variant: str, level: int, weights: NDArray[np.float64]) -> SegmentUnits:
    inverse = moments_of(weights)
    return SegmentUnits(
        segment="country", level=f"C{level}", variant=variant, units=len(weights), inverse_propensity=inverse
    )


def at_the_end(population: Population) -> dict[str, Check]:
    checks = (*horizon_checks(SPEC, population, days=DAYS), *split_by_segment(SPEC, population))
    return {check.name: check for check in checks}


def failed(checks: dict[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.status is Status.FAIL}


def test_weights_that_follow_the_context_are_no_broken_split() -> None:
    population = drawn(6)
    assert sample_ratio_check("sample ratio", SPEC, population.units()).status is Status.FAIL  # 70 % and not 50 %
    checks = at_the_end(population)
    assert {check.status for check in checks.values()} == {Status.PASS}
    assert list(checks) == [
        "sample ratio",
        "sample ratio of the analysed units",
        "split over time",
        "contamination",
        "split by country",
    ]
    assert "new 99." in checks["sample ratio"].sentence or "new 100." in checks["sample ratio"].sentence


def test_units_that_get_lost_are_found_in_total_on_a_day_and_in_a_segment() -> None:
    everywhere = {"sample ratio", "sample ratio of the analysed units", "split over time", "split by country"}
    assert failed(at_the_end(drawn(2, lost=0.2))) == everywhere
    # The other days hide it in the total.
    assert failed(at_the_end(drawn(2, lost=0.4, on=3))) == {"split over time"}
    assert "2026-10-04" in at_the_end(drawn(2, lost=0.4, on=3))["split over time"].sentence
    assert "split by country" in failed(at_the_end(drawn(2, units=20_000, lost=0.15, level=1)))


def test_clean_logs_raise_no_alarm() -> None:
    alarms = sum(bool(failed(at_the_end(drawn(seed, units=3000)))) for seed in range(300))
    assert alarms <= 5  # four tests of 1 in 1 000 each: 1.2 expected


def test_every_day_is_looked_at_without_a_price() -> None:
    alarms = 0
    for seed in range(300):
        days = drawn(seed, units=DAYS * 1000).cohorts
        looks = [population_of(cohorts=days[: 2 * n]) for n in range(1, DAYS + 1)]
        alarms += any(balance_so_far(look).status is Status.FAIL for look in looks)
    assert alarms <= 1
    found = [n for n in range(20) if balance_so_far(drawn(n, lost=0.25)).status is Status.FAIL]
    assert len(found) == 20


def test_the_day_has_its_share_of_the_error_and_its_own_units() -> None:
    population = drawn(2, lost=0.4, on=3)
    by_day = {
        n: {c.name: c for c in daily_checks(SPEC, population, day=FIRST + timedelta(days=n), days=DAYS)}
        for n in range(DAYS)
    }
    assert [n for n, checks in by_day.items() if checks["split of the day"].status is Status.FAIL] == [3]
    names = ["sample ratio so far", "split of the day", "contamination"]
    assert list(by_day[0]) == names


def test_an_arm_that_gets_nobody_is_found() -> None:
    alone = population_of(cohorts=(replace(cohort("old", 500), inverse_propensity=moments_of([2.0] * 500)),))
    assert {"sample ratio", "split over time"} <= failed(at_the_end(alone))
    assert balance_so_far(alone).status is Status.FAIL


def test_units_without_a_probability_are_told_and_left_out() -> None:
    population = drawn(3)
    bare = replace(cohort("new", 70, day=1), inverse_propensity=EMPTY)
    checks = at_the_end(replace(population, cohorts=(*population.cohorts, bare)))
    assert checks["logged probabilities"].status is Status.WARN
    assert "70 of 7 070 units (0.99 %)" in checks["logged probabilities"].sentence
    assert checks["sample ratio"].sentence == at_the_end(population)["sample ratio"].sentence


def test_few_units_are_not_tested() -> None:
    checks = at_the_end(drawn(4, units=90))
    assert {checks[name].status for name in ("sample ratio", "split over time", "split by country")} == {
        Status.NOT_CHECKED
    }
    assert balance_so_far(drawn(4, units=90)).status is Status.NOT_CHECKED


@pytest.mark.parametrize(("old", "new", "status"), [(200, 200, Status.WARN), (380, 20, Status.FAIL)])
def test_crossed_units_began_as_their_probabilities_say(old: int, new: int, status: Status) -> None:
    crossed = tuple(
        replace(cohort(variant, n, crossed=True), inverse_propensity=moments_of(np.full(n, 2.0)))
        for variant, n in (("old", old), ("new", new))
    )
    clean = drawn(5, units=60_000).cohorts
    (check,) = [
        c
        for c in horizon_checks(SPEC, population_of(cohorts=(*clean, *crossed)), days=DAYS)
        if c.name == "contamination"
    ]
    assert check.status is status
