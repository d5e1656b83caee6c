"""May the numbers be read? Each check at its borders."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scipy import special

from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Population
from abflow.analysis.sample_ratio import sample_ratio_check, sequential_sample_ratio, split_over_time
from abflow.analysis.validity import (
    Answered,
    contamination,
    daily_checks,
    horizon_checks,
    misassignment,
    served_version,
)
from abflow.spec.experiment import ExperimentSpec
from tests.analysis.experiments import cohort, crowd, population_of, spec_of

EXTERNAL = spec_of(assignment="external")


def weighted(**weights: float) -> ExperimentSpec:
    return spec_of(variants={name: {"weight": weight} for name, weight in weights.items()})


# Sample ratio, at the horizon


@pytest.mark.parametrize(
    ("old", "new", "p", "status"),
    [
        # GrowthBook's back-end tests, and Kohavi and Fabijan's example.
        (1000, 1200, 0.000020079, Status.FAIL),
        (135, 115, 0.205903211, Status.PASS),
        (821_588, 815_482, 1.8218e-6, Status.FAIL),
        # 1 100 units that are d apart have chi-square d²/1 100; its tables say 10.828 for .001, 6.635 for .01.
        (495, 605, None, Status.FAIL),
        (496, 604, None, Status.WARN),
        (507, 593, None, Status.WARN),
        (508, 592, None, Status.PASS),
    ],
)
def test_the_sample_ratio_fails_below_one_in_a_thousand(old: int, new: int, p: float | None, status: Status) -> None:
    check = sample_ratio_check("sample ratio", spec_of(), {"old": old, "new": new})
    assert check.status is status
    if p is not None:
        assert check.numbers["p_value"] == pytest.approx(p, rel=1e-4)


def test_the_planned_shares_are_those_of_the_weights() -> None:
    check = sample_ratio_check("sample ratio", weighted(old=75, new=25), {"old": 310, "new": 98})
    assert check.numbers["p_value"] == pytest.approx(0.647434186, rel=1e-6)  # GrowthBook
    assert "old 310 (expected 306), new 98 (expected 102)" in check.sentence
    assert sample_ratio_check("sample ratio", spec_of(), {"old": 310, "new": 98}).status is Status.FAIL


def test_three_arms_are_tested_together() -> None:
    check = sample_ratio_check(
        "sample ratio", weighted(old=34, new=33, newer=33), {"old": 500, "new": 500, "newer": 600}
    )
    assert check.numbers["p_value"] == pytest.approx(0.000592638, rel=1e-4)  # GrowthBook
    assert check.status is Status.FAIL


def test_a_variant_that_never_came_counts_as_zero_units() -> None:
    assert sample_ratio_check("sample ratio", spec_of(), {"old": 500}).status is Status.FAIL


def test_nobody_yet_is_no_test() -> None:
    assert sample_ratio_check("sample ratio", spec_of(), {}).status is Status.NOT_CHECKED


# Sample ratio, every day


def mixture_e(old: int, new: int) -> float:
    """The mean over prior masses of the beta-binomial Bayes factor, with an even split."""
    factors = [
        math.exp(special.betaln(c / 2 + old, c / 2 + new) - special.betaln(c / 2, c / 2) + (old + new) * math.log(2))
        for c in (10, 100, 1_000, 10_000, 100_000)
    ]
    return sum(factors) / 5


def test_the_daily_sample_ratio_ends_an_experiment_at_an_e_value_of_a_thousand() -> None:
    seen = set()
    for gap in range(150, 301):
        old, new = 1000 - gap // 2, 1000 + gap - gap // 2
        e = mixture_e(old, new)
        check = sequential_sample_ratio(spec_of(), crowd(old, new))
        wanted = Status.FAIL if e >= 1000 else Status.WARN if e >= 100 else Status.PASS
        assert check.status is wanted, (old, new, e)
        assert check.numbers["log_e_value"] == pytest.approx(math.log(e), abs=1e-6)
        seen.add(check.status)
    assert seen == {Status.PASS, Status.WARN, Status.FAIL}


def test_the_daily_ratio_sees_small_deviations_of_many_units_and_large_ones_of_few() -> None:
    assert sequential_sample_ratio(spec_of(), crowd(5, 60)).status is Status.FAIL
    assert sequential_sample_ratio(spec_of(), crowd(502_500, 497_500)).status is Status.FAIL
    assert sequential_sample_ratio(spec_of(), crowd(500_500, 499_500)).status is Status.PASS


def test_the_first_morning_has_nothing_to_test() -> None:
    assert sequential_sample_ratio(spec_of(), population_of()).status is Status.NOT_CHECKED


# Split over time


def by_day(*days: tuple[int, int]) -> Population:
    cohorts = [
        cohort(name, n, day=number)
        for number, day in enumerate(days, start=1)
        for name, n in zip(("old", "new"), day, strict=True)
    ]
    return population_of(cohorts=tuple(cohorts))


def test_a_ratio_right_in_total_may_be_wrong_on_a_day() -> None:
    population = by_day((600, 400), (400, 600))
    assert sample_ratio_check("sample ratio", spec_of(), population.units()).status is Status.PASS
    check = split_over_time(spec_of(), population, days=14)
    assert check.status is Status.FAIL
    assert "2026-10-01: old 600 (expected 500), new 400 (expected 500)" in check.sentence


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (532, Status.FAIL),  # 14 days of chi-square 64²/1 000 = 4.096: 57.3 with 14 degrees of freedom
        (525, Status.WARN),  # 14 · 2.5 = 35, between the tables' 29.14 (.01) and 36.12 (.001)
        (521, Status.PASS),  # 14 · 1.764 = 24.7
    ],
)
def test_small_deviations_add_up_over_days(more: int, status: Status) -> None:
    days = [(more, 1000 - more) if number % 2 else (1000 - more, more) for number in range(14)]
    assert split_over_time(spec_of(), by_day(*days), days=14).status is status


@pytest.mark.parametrize(("planned", "status"), [(1, Status.FAIL), (14, Status.WARN), (28, Status.PASS)])
def test_a_day_pays_for_the_days_that_were_planned(planned: int, status: Status) -> None:
    # 555 against 445: chi-square 12.1, p .0005; .001/14 is .00007, .01/14 is .0007, .01/28 is .00036.
    days = [(555, 445), *[(500, 500)] * 13] if planned > 1 else [(555, 445)]
    assert split_over_time(spec_of(), by_day(*days), days=planned).status is status


def test_a_bad_day_is_found_where_an_arm_gets_few_units() -> None:
    # 1 % of 300 units are 3: too few for a chi-square, but 60 of them are no chance.
    spec = weighted(old=99, new=1)
    assert split_over_time(spec, by_day((297, 3), (240, 60)), days=14).status is Status.FAIL
    assert split_over_time(spec, by_day((297, 3), (296, 4)), days=14).status is Status.PASS


def test_units_that_came_too_late_are_no_part_of_the_split() -> None:
    late = cohort("new", 5000, day=2, enrolled=False)
    population = by_day((500, 500))
    population = replace(population, cohorts=(*population.cohorts, late))
    assert split_over_time(spec_of(), population, days=14).status is Status.PASS
    assert population.units() == {"old": 500, "new": 500}


# Contamination


@pytest.mark.parametrize(
    ("spec", "crossed", "status"),
    [
        (spec_of(), (5, 5), Status.PASS),  # exactly .1 %
        (spec_of(), (6, 5), Status.WARN),
        (spec_of(), (50, 50), Status.WARN),  # exactly 1 %
        (spec_of(), (51, 50), Status.FAIL),
        (EXTERNAL, (51, 50), Status.WARN),
        (EXTERNAL, (500, 500), Status.WARN),  # exactly 10 %
        (EXTERNAL, (501, 500), Status.FAIL),
    ],
)
def test_contamination_has_a_limit(spec: ExperimentSpec, crossed: tuple[int, int], status: Status) -> None:
    half = (10_000 - sum(crossed)) // 2
    population = crowd(half, 10_000 - sum(crossed) - half, crossed=crossed)
    assert population.enrolled == 10_000
    check = contamination(spec, population)
    assert check.status is status
    assert check.numbers["share"] == sum(crossed) / 10_000


@pytest.mark.parametrize("spec", [spec_of(), EXTERNAL])
def test_contamination_tied_to_one_variant_fails_earlier(spec: ExperimentSpec) -> None:
    # 45 against 15: chi-square 15, p .0001; 40 against 20: 6.7, p .0098.
    assert contamination(spec, crowd(4970, 4970, crossed=(45, 15))).status is Status.FAIL
    assert contamination(spec, crowd(4970, 4970, crossed=(40, 20))).status is Status.WARN


def test_contamination_of_one_in_a_thousand_is_not_asked_where_it_began() -> None:
    assert contamination(spec_of(), crowd(49_950, 49_950, crossed=(100, 0))).status is Status.PASS
    assert contamination(spec_of(), crowd(49_950, 49_949, crossed=(101, 0))).status is Status.FAIL


def test_only_enrolled_units_count_as_contaminated() -> None:
    late = cohort("new", 500, enrolled=False, crossed=True)
    population = crowd(5000, 5000)
    assert contamination(spec_of(), replace(population, cohorts=(*population.cohorts, late))).status is Status.PASS
    assert contamination(spec_of(), population_of(cohorts=(late,))).status is Status.NOT_CHECKED


# Assignment


@pytest.mark.parametrize(
    ("misassigned", "status"), [(0, Status.PASS), (1, Status.WARN), (10, Status.WARN), (11, Status.FAIL)]
)
def test_a_log_that_contradicts_the_hash(misassigned: int, status: Status) -> None:
    (check,) = misassignment(replace(crowd(5000, 5000), misassigned=misassigned))
    assert check.status is status
    assert check.sentence.startswith(f"{misassigned} of 10 000 units")


def test_an_assignment_made_elsewhere_is_not_recomputed() -> None:
    assert misassignment(crowd(5000, 5000)) == ()


def test_nobody_is_misassigned_before_anybody_came() -> None:
    (check,) = misassignment(population_of(misassigned=0))
    assert check.status is Status.NOT_CHECKED


# Served version

VERSIONS = {"old": "6", "new": "7"}


def answered(wrong: int, right: int, *fallbacks: int) -> tuple[Answered, ...]:
    return (
        Answered(variant="old", model_version="6", fallback=False, exposures=0),
        Answered(variant="new", model_version="7", fallback=False, exposures=right),
        Answered(variant="new", model_version="6", fallback=False, exposures=wrong),
        *(Answered(variant="new", model_version="6", fallback=True, exposures=n) for n in fallbacks),
    )


@pytest.mark.parametrize(
    ("spec", "wrong", "status"),
    [
        (spec_of(), 0, Status.PASS),
        (spec_of(), 10, Status.PASS),  # exactly .1 %
        (spec_of(), 11, Status.WARN),
        (spec_of(), 100, Status.WARN),  # exactly 1 %
        (spec_of(), 101, Status.FAIL),
        (EXTERNAL, 101, Status.WARN),
        (EXTERNAL, 1000, Status.WARN),
        (EXTERNAL, 1001, Status.FAIL),
    ],
)
def test_another_version_may_not_answer(spec: ExperimentSpec, wrong: int, status: Status) -> None:
    check = served_version(spec, answered(wrong, 10_000 - wrong), VERSIONS)
    assert (check.status, check.numbers["share"]) == (status, wrong / 10_000)


def test_marked_fallbacks_are_counted_apart() -> None:
    check = served_version(spec_of(), answered(0, 1000, 300, 200), VERSIONS)
    assert check.status is Status.PASS
    assert check.numbers == {"share": 0, "fallbacks": 500}
    assert "500 by a marked fallback" in check.sentence


def test_a_fallback_does_not_thin_out_the_wrong_answers() -> None:
    # 11 of 1 000 are too many, however many fallbacks there were beside them.
    assert served_version(spec_of(), answered(11, 989, 1_000_000), VERSIONS).status is Status.FAIL


def test_versions_that_nobody_knows_are_not_checked() -> None:
    nameless = (Answered(variant="new", model_version=None, fallback=False, exposures=100),)
    assert served_version(spec_of(), nameless, VERSIONS).status is Status.NOT_CHECKED
    unplanned = answered(100, 0)
    assert served_version(spec_of(), unplanned, {"old": None, "new": None}).status is Status.NOT_CHECKED
    # Where one variant has no model, the other is still checked.
    assert served_version(spec_of(), unplanned, {"old": None, "new": "7"}).status is Status.FAIL


# Together


def failed(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks if check.status is Status.FAIL]


def test_a_clean_experiment_passes_every_check_there_is() -> None:
    population = replace(crowd(500, 500, days=14), misassigned=0)
    daily, horizon = daily_checks(spec_of(), population), horizon_checks(spec_of(), population, days=14)
    assert {check.status for check in (*daily, *horizon)} == {Status.PASS}
    assert [check.name for check in daily] == ["sample ratio so far", "contamination", "recomputed assignment"]
    assert [check.name for check in horizon] == [
        "sample ratio",
        "sample ratio of the analysed units",
        "split over time",
        "contamination",
        "recomputed assignment",
    ]


def test_excluding_crossed_units_may_break_a_ratio_that_was_right() -> None:
    population = crowd(5000, 4600, crossed=(0, 400))  # 5 000 and 5 000; 400²/9 600 = 16.7
    names = failed(horizon_checks(EXTERNAL, population, days=1))
    assert "sample ratio" not in names
    assert "sample ratio of the analysed units" in names


def test_crossed_units_that_the_plan_keeps_are_analysed_too() -> None:
    population = crowd(5000, 4600, crossed=(0, 400))
    keeping = spec_of(assignment="external", analysis={"contamination": "keep_first"})
    whole, analysed, *_ = horizon_checks(keeping, population, days=1)
    assert (analysed.status, analysed.numbers) == (Status.PASS, whole.numbers)


def test_each_check_fails_on_its_own_fault() -> None:
    clean = crowd(500, 500, days=14)
    assert failed(horizon_checks(spec_of(), replace(clean, misassigned=20), days=14)) == ["recomputed assignment"]
    assert failed(horizon_checks(spec_of(), by_day((600, 400), (400, 600)), days=14)) == ["split over time"]
    mixed = crowd(4900, 4900, crossed=(100, 100))
    assert failed(horizon_checks(spec_of(), mixed, days=14)) == ["contamination"]
    assert failed(daily_checks(spec_of(), mixed)) == ["contamination"]
    assert failed(daily_checks(spec_of(), crowd(800, 1200))) == ["sample ratio so far"]
