"""How many units come, and how long it takes until enough are there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.analysis.inflow import Duration, Inflow, counting_days, duration, inflow_of
from abflow.analysis.population import Population
from abflow.spec.calendar import Period, Phase
from abflow.spec.experiment import ExperimentSpec
from tests.analysis.experiments import BOUGHT, FIRST, cohort, population_of, spec_of

EIGHT_DAYS = Period(Phase.AA, FIRST, 8, 8)
STEADY = Inflow(first=(), later=1000.0, kept=1.0, source="declared")


def expected_units(spec: ExperimentSpec, aa: Population, period: Period, *, days: int) -> float:
    inflow = inflow_of(spec, aa, period)
    assert inflow is not None
    return inflow.units(counting_days(spec, days=days))


# How many will come

CURVE = (1000, 600, 500, 400, 300, 200, 100, 100)


def curve(*, crossed: int = 0, late: int = 0) -> Population:
    days = [cohort("old", n, day=day) for day, n in enumerate(CURVE, start=1)]
    days[0] = replace(days[0], units=days[0].units - crossed)
    days[-1] = replace(days[-1], units=days[-1].units - late)
    days += [cohort("new", crossed, day=1, crossed=True), cohort("new", late, day=8, enrolled=False)]
    return population_of(cohorts=tuple(day for day in days if day.units))


def lasting(enroll_days: int, days: int, *, immature: bool = False, **changes: Any) -> ExperimentSpec:
    test = {"enroll_days": enroll_days, "days": days, "why": "an arithmetic example"}
    phases = {
        "shadow": {"skip": "nothing to mirror"},
        "aa": {"start": FIRST, "days": 8},
        "test": test | ({"immature": "allowed"} if immature else {}),
    }
    return spec_of(phases=phases, **changes)


def test_the_curve_of_new_units_goes_on_as_its_last_half() -> None:
    # 3 200 in eight days; the last four brought 175 a day, and six more days are to come.
    assert expected_units(lasting(14, 14), curve(), EIGHT_DAYS, days=14) == 3200 + 6 * 175


@pytest.mark.parametrize(("enroll_days", "units"), [(8, 3200), (3, 2100), (9, 3375)])
def test_a_test_as_short_as_the_aa_phase_reads_the_curve_itself(enroll_days: int, units: int) -> None:
    assert expected_units(lasting(enroll_days, 14), curve(), EIGHT_DAYS, days=14) == units


def test_units_too_late_for_the_aa_phase_are_still_new_units() -> None:
    assert expected_units(lasting(14, 14), curve(late=60), EIGHT_DAYS, days=14) == 4250


def test_a_day_without_units_counts_as_a_day() -> None:
    sparse = population_of(cohorts=(cohort("old", 800, day=1),))
    assert expected_units(lasting(14, 14), sparse, EIGHT_DAYS, days=14) == 800


def test_crossed_units_are_lost_only_where_they_are_excluded() -> None:
    kept = lasting(14, 14, analysis={"contamination": "keep_first"})
    assert expected_units(lasting(14, 14), curve(crossed=320), EIGHT_DAYS, days=14) == pytest.approx(4250 * 0.9)
    assert expected_units(kept, curve(crossed=320), EIGHT_DAYS, days=14) == 4250


def test_units_whose_window_will_not_be_over_do_not_count() -> None:
    spec = lasting(14, 14, immature=True, metrics={"bought": BOUGHT | {"window_days": 10}})
    assert expected_units(spec, curve(), EIGHT_DAYS, days=14) == 1000 + 600 + 500 + 400


def test_a_window_longer_than_the_test_leaves_nobody() -> None:
    spec = lasting(7, 14, immature=True, metrics={"bought": BOUGHT | {"window_days": 16}})
    assert expected_units(spec, curve(), EIGHT_DAYS, days=14) == 0


def test_the_curve_begins_with_the_phase_not_with_its_first_unit() -> None:
    later = population_of(cohorts=(replace(cohort("old", 500), day=FIRST + timedelta(days=3)),))
    assert expected_units(lasting(3, 14), later, EIGHT_DAYS, days=14) == 0


def test_what_is_assumed_goes_before_the_curve() -> None:
    inflow = inflow_of(lasting(14, 14), curve(crossed=320), EIGHT_DAYS, units_per_day=50.0)
    assert inflow == Inflow(first=(), later=50.0, kept=1.0, source="assumed")


def test_without_any_knowledge_there_is_no_inflow() -> None:
    assert inflow_of(spec_of(), None, None) is None
    assert inflow_of(spec_of(), population_of(), EIGHT_DAYS) is None  # nobody came: nothing was measured


# How long it takes


@pytest.mark.parametrize(
    ("needed", "window", "enroll_days", "days"),
    [
        (1, 0, 14, 14),  # two of each weekday, however few are needed
        (14_000, 0, 14, 14),
        (14_001, 0, 21, 21),
        (5_000, 7, 7, 14),  # with its window a single week of enrolment is long enough
        (5_000, 3, 14, 17),
        (30_000, 28, 35, 63),
    ],
)
def test_a_test_lasts_whole_weeks_and_fourteen_days_at_least(
    needed: float, window: int, enroll_days: int, days: int
) -> None:
    assert duration(needed, STEADY, window_days=window) == Duration(enroll_days=enroll_days, days=days)


def test_requests_of_a_widely_copied_example_take_less_than_three_days_and_so_two_weeks() -> None:
    # 2 · 6 868 requests at 5 000 a day: 2.75 days, and three whole ones.
    inflow = replace(STEADY, later=5000.0)
    assert inflow.days_until(2 * 6868) == 3
    assert duration(2 * 6868, inflow, window_days=0) == Duration(enroll_days=14, days=14)


def test_a_curve_that_flattens_takes_longer_than_its_first_days_promise() -> None:
    inflow = Inflow(first=(1000.0, 600.0, 400.0), later=100.0, kept=0.5, source="A/A")
    assert [inflow.days_until(units) for units in (0, 500, 800, 1000, 1001, 1100)] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("inflow", [replace(STEADY, later=0.0), replace(STEADY, kept=0.0)])
def test_units_that_never_come_have_no_duration(inflow: Inflow) -> None:
    assert inflow.days_until(10.0) is None
    assert duration(10.0, inflow, window_days=0) is None


@given(
    st.lists(st.floats(0, 1e4), max_size=10),
    st.floats(1, 1e4),
    st.floats(0.1, 1),
    st.floats(1, 1e6),
)
def test_the_days_bring_the_units_and_a_day_less_does_not(
    first: list[float], later: float, kept: float, needed: float
) -> None:
    inflow = Inflow(first=tuple(first), later=later, kept=kept, source="drawn")
    days = inflow.days_until(needed)
    assert days is not None
    assert inflow.units(days) >= needed * (1 - 1e-9)
    assert inflow.units(days - 1) < needed
