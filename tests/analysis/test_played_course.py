"""A drawn test from day to day: arms dropped for harm, single units that decide, and a test that goes on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from abflow.analysis.arm_rules import ArmAnswer
from abflow.analysis.course import Course, course_of
from abflow.analysis.drawn_population import population_of
from abflow.analysis.drawn_units import Arms, drawing
from abflow.analysis.harm import find_harm
from abflow.analysis.inflow import Inflow
from abflow.analysis.looks import arm_shares
from abflow.analysis.played_course import SPLITS, play
from abflow.analysis.suspect_days import suspect_days
from abflow.analysis.unit_records import UnitRecords
from abflow.analysis.verdict import Decision, Verdict
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.permutation import PermutationTest
from abflow.stats.power_simulation import Effect, added, flipped, multiplied
from abflow.stats.unit_rows import unit_rows_of
from tests.analysis.experiments import BOUGHT, ERRORS, SPENT, spec_of

UNITS = 3000
TEST = {"start": "2026-10-01", "enroll_days": 14, "days": 15}
PHASES: dict[str, Any] = {"shadow": {"skip": "nothing"}, "aa": {"skip": "its units are given"}, "test": TEST}
CLICKS: dict[str, Any] = {
    "role": "guardrail",
    "kind": "ratio",
    "numerator": "visit",
    "denominator": "purchase",
    "why": "the page is what changes",
}
LATENCY: dict[str, Any] = {"role": "guardrail", "kind": "quantile", "value": "latency_ms", "direction": "decrease"}
METRICS: dict[str, Any] = {
    "spent": SPENT | {"mde": {"relative": 0.05}},
    "errors": ERRORS | {"margin": {"absolute": 0.01}},
    "clicks": CLICKS | {"margin": {"relative": -0.05}},
    "p95": LATENCY | {"q": 0.95, "margin": {"relative": 0.05}},
    "p20": LATENCY | {"q": 0.2, "margin": {"absolute": 2.0}},
}


def planned(metrics: Mapping[str, Any], **changes: Any) -> ExperimentSpec:
    windows = {name: metric | {"window_days": 1} for name, metric in metrics.items()}
    return spec_of(windows, **({"phases": PHASES} | changes))


def records() -> dict[str, UnitRecords]:
    rng = np.random.default_rng(3)
    unit = np.repeat(np.arange(UNITS), rng.poisson(5, UNITS))
    latency = unit_rows_of(unit, rng.lognormal(4, 0.5, unit.size), units=UNITS)
    views = rng.poisson(6, UNITS)
    return {
        "spent": UnitRecords(numbers=rng.gamma(4.0, 5.0, UNITS)),
        "errors": UnitRecords(numbers=(rng.random(UNITS) < 0.05).astype(float)),
        "clicks": UnitRecords(numbers=np.column_stack([rng.binomial(views, 0.5), views]).astype(float)),
        "p95": UnitRecords(rows=latency),
        "p20": UnitRecords(rows=latency),
        "error_rate": UnitRecords(numbers=np.column_stack([rng.random(UNITS) < 0.004, views + 1]).astype(float)),
        "bought": UnitRecords(numbers=(rng.random(UNITS) < 0.2).astype(float)),
    }


RECORDS = records()


def coming(per_day: float) -> Inflow:
    return Inflow(first=(), later=per_day, kept=1.0, source="assumed")


def drawn(spec: ExperimentSpec, course: Course, effects: dict[str, dict[str, Effect]], seed: int = 1) -> Arms:
    own = {name: RECORDS[name] for name in spec.metrics}
    draw = drawing(own, shares=arm_shares(spec), effects=effects, units=course.units)
    return draw(np.random.default_rng(seed))


def answers(verdict: Verdict) -> dict[str, ArmAnswer]:
    return {arm.arm: arm.answer for arm in verdict.arms}


def day_of(verdict: Verdict) -> int:
    """Of the test, 1 for the first."""
    assert verdict.on is not None
    return (verdict.on - date(2026, 10, 1)).days + 1


HARM: dict[str, Effect] = {
    "spent": multiplied(0.8),
    "errors": flipped(0.06),
    "p95": multiplied(1.5),
    "p20": added(12.0),
}


@pytest.mark.parametrize("metric", HARM)
def test_an_arm_that_does_harm_is_dropped_before_the_cut_off(metric: str) -> None:
    spec = planned(METRICS)
    course = course_of(spec, coming(4000.0))
    gain = {} if metric == "spent" else {"spent": multiplied(1.2)}
    verdict = play(course, drawn(spec, course, {"new": gain | {metric: HARM[metric]}}))
    assert (verdict.decision, verdict.rule) == (Decision.STOP, "V2")
    assert f"{metric} of new is worse than" in verdict.sentence
    fair = play(course, drawn(spec, course, {"new": {"spent": multiplied(1.2)}}))
    assert (fair.decision, answers(fair)) == (Decision.PROMOTE, {"new": ArmAnswer.WINNER})


def test_of_several_arms_those_without_harm_go_on() -> None:
    spec = planned(METRICS, arms=2)
    course = course_of(spec, coming(6000.0))
    effects = {"new": {"spent": multiplied(1.2)}, "newer": {"spent": multiplied(1.2), "p95": multiplied(1.5)}}
    verdict = play(course, drawn(spec, course, effects))
    assert answers(verdict) == {"new": ArmAnswer.WINNER, "newer": ArmAnswer.REJECTED}
    assert [arm.rule for arm in verdict.arms] == ["A7", "V2"]


def per_visit(by: float) -> Effect:
    return lambda pairs, _: pairs * np.array([by, 1.0])


@pytest.mark.parametrize(
    ("metric", "worse"),
    [
        ("spent", [multiplied(by) for by in (0.97, 0.94, 0.9)]),
        ("errors", [flipped(by) for by in (0.02, 0.03, 0.05)]),
        ("clicks", [per_visit(by) for by in (0.93, 0.9, 0.85)]),
        ("p95", [multiplied(by) for by in (1.1, 1.2, 1.3)]),
        ("p20", [added(by) for by in (3.0, 4.0, 6.0)]),
    ],
)
def test_a_day_that_is_not_suspect_has_no_harm(metric: str, worse: list[Effect]) -> None:
    """The real check, made on every day, finds nothing on the days that are passed over."""
    spec = planned({"spent": METRICS["spent"], metric: METRICS[metric]})
    found: list[tuple[bool, bool]] = []
    for seed, effect in itertools.product(range(4), worse):
        course = course_of(spec, coming(100.0 + 100 * seed))
        arms = drawn(spec, course, {"new": {metric: effect}}, seed)
        suspect = suspect_days(spec, arms, [day.shares for day in course.days])
        for day, may_harm in zip(course.days, suspect, strict=True):
            so_far = {arm: {name: one.first(day.shares[name]) for name, one in of.items()} for arm, of in arms.items()}
            harms = find_harm(spec, population_of(spec, so_far), day=day.number, planned=course.planned)
            found.append((bool(harms), may_harm))
    assert (True, True) in found
    assert (False, False) in found
    assert (True, False) not in found


def test_the_days_that_are_looked_at_for_harm_are_few_where_there_is_none() -> None:
    spec = planned(METRICS)
    course = course_of(spec, coming(400.0))
    days = [suspect_days(spec, drawn(spec, course, {}, seed), [d.shares for d in course.days]) for seed in range(20)]
    assert np.mean(days) < 0.15


def with_a_whale() -> UnitRecords:
    """One unit that moves the effect by more than half its standard error."""
    numbers = RECORDS["spent"].numbers
    assert numbers is not None
    return replace(RECORDS["spent"], numbers=np.where(np.arange(UNITS) == 7, 450.0, numbers))


@pytest.mark.parametrize(
    ("analysis", "trusted", "doubted"),
    [
        ({}, (15, ArmAnswer.WINNER), (15, ArmAnswer.UNDECIDED)),
        # What a look has shown stays shown, and at the cut-off the test is asked again.
        ({"method": "group_sequential", "looks": [8]}, (8, ArmAnswer.WINNER), (15, ArmAnswer.UNDECIDED)),
    ],
)
def test_a_win_that_the_permutation_test_does_not_share_is_taken_back(
    analysis: dict[str, Any],
    trusted: tuple[int, ArmAnswer],
    doubted: tuple[int, ArmAnswer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = planned({"spent": SPENT | {"mde": {"relative": 0.1}}}, analysis=analysis)
    course = course_of(spec, coming(UNITS / 14))
    gain: dict[str, dict[str, Effect]] = {"new": {"spent": added(6.0)}}
    draw = drawing({"spent": with_a_whale()}, shares=arm_shares(spec), effects=gain, units=course.units)
    arms = draw(np.random.default_rng(4))
    asked: list[tuple[int, int]] = []

    def says(p_value: float) -> tuple[int, ArmAnswer]:
        def test(control: Any, treatment: Any, *, seed: int, draws: int) -> PermutationTest:
            asked.append((len(control) + len(treatment), draws))
            return PermutationTest(p_value=p_value, statistic=2.0, splits=draws + 1, method="said")

        monkeypatch.setattr("abflow.analysis.fragility.permutation_test", test)
        verdict = play(course, arms)
        return day_of(verdict), answers(verdict)["new"]

    assert says(0.0001) == trusted
    assert says(0.5) == doubted
    assert {splits for _, splits in asked} == {SPLITS}
    assert asked[0][0] == pytest.approx(course.units * (trusted[0] - 1) / 14, abs=1)


def test_a_test_that_is_not_precise_enough_goes_on_as_it_promised() -> None:
    metrics = {"bought": BOUGHT | {"mde": {"absolute": 0.05}}}
    longer = PHASES | {"test": TEST | {"extend": {"max_days": 43}}}
    short, long = planned(metrics), planned(metrics, phases=longer)
    few, many = coming(60.0), coming(300.0)
    assert [(day.number, round(day.shares["bought"] * 2520)) for day in course_of(long, few).days][-3:] == [
        (41, 2400),
        (42, 2460),
        (43, 2520),
    ]
    assert course_of(long, few).planned == course_of(short, few).planned == 840
    effect: dict[str, dict[str, Effect]] = {"new": {"bought": flipped(0.05)}}

    def days(spec: ExperimentSpec, inflow: Inflow) -> set[int]:
        course = course_of(spec, inflow)
        return {day_of(play(course, drawn(spec, course, effect, seed))) for seed in range(5)}

    assert days(short, few) == {15}
    assert days(long, few) == {43}
    assert days(long, many) == {15}  # precise enough on the last day of its plan


def test_every_metric_has_the_units_whose_own_window_is_over() -> None:
    metrics = {
        "bought": BOUGHT | {"mde": {"absolute": 0.05}, "window_days": 3},
        "spent": SPENT | {"role": "guardrail", "margin": {"relative": -0.1}, "window_days": 7},
        "errors": ERRORS | {"margin": {"absolute": 0.02}, "window_days": None},
    }
    spec = spec_of(metrics, phases=PHASES | {"test": TEST | {"days": 21}}, analysis={"method": "always_valid"})
    course = course_of(spec, coming(100.0))
    assert (course.units, course.planned, course.longest) == (1400, 1400, 1400)
    counted = {day.number: {name: round(1400 * share) for name, share in day.shares.items()} for day in course.days}
    assert counted[1] == {"bought": 0, "spent": 0, "errors": 100}
    assert counted[8] == {"bought": 500, "spent": 100, "errors": 800}
    assert counted[21] == {"bought": 1400, "spent": 1400, "errors": 1400}


def test_units_that_are_never_observed_to_the_end_are_in_the_other_metrics() -> None:
    metrics = {
        "bought": BOUGHT | {"mde": {"absolute": 0.05}, "window_days": 3},
        "errors": ERRORS | {"margin": {"absolute": 0.02}, "window_days": None},
    }
    spec = spec_of(metrics, phases=PHASES | {"test": TEST | {"days": 14, "immature": "allowed"}})
    course = course_of(spec, coming(100.0))
    assert (course.units, course.planned, course.longest) == (1400, 1100, 1100)
    arms = drawn(spec, course, {})
    seen: list[tuple[int, int]] = []
    for day in course.days:
        so_far = {arm: {name: one.first(day.shares[name]) for name, one in of.items()} for arm, of in arms.items()}
        found = population_of(spec, so_far).measured
        seen.append((sum(m.moments.n for m in found[:2]), sum(m.moments.n for m in found[2:])))
    assert seen[0] == pytest.approx((0, 100), abs=1)
    assert seen[-1] == pytest.approx((1100, 1400), abs=1)


@pytest.mark.parametrize("primary", ["spent", "clicks", "p95"])
def test_days_before_anybody_is_mature_show_nothing(primary: str) -> None:
    metric = METRICS[primary] | {"role": "primary", "mde": {"relative": 0.05}, "margin": None, "window_days": 7}
    if primary == "p95":
        metric |= {"mde": {"relative": -0.05}}
    metrics = {primary: metric | {"why": "it is the question"} if primary != "spent" else metric}
    guards = {name: METRICS[name] for name in ("errors", "p20")}
    for ours in ({"method": "always_valid"}, {}):
        spec = spec_of(metrics | guards, phases=PHASES | {"test": TEST | {"days": 21}}, analysis=ours)
        course = course_of(spec, coming(100.0))
        assert course.days[0].shares[primary] == 0 < course.days[0].shares["errors"]
        worse: dict[str, dict[str, Effect]] = {"new": {"errors": flipped(0.5)}}
        harmed = play(course, drawn(spec, course, worse))
        # A guardrail without a window is watched from the first day on.
        assert (harmed.decision, day_of(harmed) < 7) == (Decision.STOP, True)
        assert play(course, drawn(spec, course, {})).decision is not Decision.STOP
