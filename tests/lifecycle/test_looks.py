"""Tests that may end before their horizon: by a look of the plan, or for harm."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.analysis.looks import PastLook
from abflow.analysis.readout import Readout, Word
from abflow.analysis.verdict import Verdict
from abflow.errors import ExperimentStopped, GateStopped, LifecycleError
from abflow.lifecycle.daily import Health
from abflow.lifecycle.steps import Ended, due, run_step, run_through
from abflow.simulate.truth import Truth
from abflow.spec.calendar import Step
from tests.lifecycle.restating import ONLY_TEST, log_file, with_model
from tests.lifecycle.world import BETTER, EQUAL, EVENTS, NOON, World, spec_of, world_at

MUCH_BETTER = Truth(units_per_day=2000, events=EVENTS, effects={"returned": {"treatment": 0.5}})
HARMFUL = Truth(
    units_per_day=3000, events=EVENTS, effects={"returned": {"treatment": -0.4}, "revenue": {"treatment": -0.4}}
)
CAPPED: dict[str, Any] = spec_of()["metrics"] | {"revenue": spec_of()["metrics"]["revenue"] | {"cap": 200.0}}
LONGER = {
    "shadow": {"start": "2026-10-01", "days": 2},
    "aa": {"enroll_days": 3, "days": 4},
    "test": {"enroll_days": 7, "days": 8, "why": "a short experiment for the tests"},
}


def looking(root: Path, registry: Path, truth: Truth, method: str, **analysis: Any) -> World:
    return world_at(
        root,
        registry,
        truth,
        metrics=CAPPED,
        phases=LONGER,
        analysis={"method": method, **analysis},
        sizing={"on_insufficient": {"continue": "to see it end early"}},
    )


def verdict_of(world: World) -> Verdict:
    return world.bench().store.get("verdict", Verdict, step="decide")


@pytest.mark.parametrize(
    ("method", "analysis"), [("always_valid", {}), ("sprt", {}), ("group_sequential", {"looks": [3, 5]})]
)
def test_a_clear_winner_ends_the_test_before_its_horizon(
    method: str, analysis: dict[str, Any], tmp_path: Path, registry_template: Path
) -> None:
    world = looking(tmp_path, registry_template, MUCH_BETTER, method, **analysis)
    outcomes = world.run()
    bench, verdict = world.bench(), verdict_of(world)
    assert (verdict.decision, verdict.rule, verdict.arms[0].rule) == ("promote", "E1", "A7")
    assert verdict.on is not None
    assert verdict.on < bench.calendar.last
    assert (outcomes[-1].day, outcomes[-1].step, outcomes[-1].ended) == (verdict.on, Step.PROMOTE, Ended.DONE)
    assert world.aliases()["champion"] == "2"
    readout = bench.store.get("readout", Readout, step="analyze")
    assert not readout.final
    assert "split over time" in [check.name for check in readout.checks]  # what is tested once is tested at the end
    with pytest.raises(ExperimentStopped, match=f"ended on {verdict.on}: promote"):
        due(bench, bench.calendar.last)
    with pytest.raises(LifecycleError, match="is not one of its days"):  # and not: it ended
        due(bench, bench.calendar.test.end)


def test_an_early_end_runs_the_same_again(tmp_path: Path, registry_template: Path) -> None:
    world = looking(tmp_path, registry_template, MUCH_BETTER, "group_sequential", looks=[3, 5])
    world.run()
    first = world.store_bytes()
    world.run()
    assert world.store_bytes() == first
    assert [entry.kind for entry in world.bench().ledger.entries()] == ["verdict", "promoted"]


def test_a_test_that_shows_nothing_early_goes_on_to_its_horizon(tmp_path: Path, registry_template: Path) -> None:
    world = looking(tmp_path, registry_template, EQUAL, "group_sequential", looks=[3, 5])
    world.run()
    bench = world.bench()
    assert verdict_of(world).on == bench.calendar.last
    days = bench.calendar.test.days_through(bench.calendar.last)
    looks = [bench.store.find(f"looks/date={day}", PastLook) for day in days]
    assert [look.day for look in looks if look] == [3, 5, 8]
    spent = [look.spent["treatment"].spent for look in looks if look]
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(0.025)
    assert [entry.kind for entry in bench.ledger.entries()] == ["verdict"]  # a look without a verdict is no decision


def test_a_look_that_ends_nothing_leaves_the_tests_that_are_made_once_alone(
    tmp_path: Path, registry_template: Path
) -> None:
    world = looking(tmp_path, registry_template, EQUAL, "group_sequential", looks=[3, 5])
    bench = world.bench()
    third = bench.calendar.test.days_through(bench.calendar.last)[2]
    assert list(run_through(bench, third))[-1].day == third
    readout = bench.store.get("readout", Readout, step="analyze")
    names = [check.name for check in readout.checks]
    assert names == ["sample ratio so far", "contamination", "recomputed assignment", "outcome log", "served version"]


def test_a_look_that_was_missed_is_left_out(tmp_path: Path, registry_template: Path) -> None:
    world = looking(tmp_path, registry_template, EQUAL, "group_sequential", looks=[3, 5])
    bench = world.bench()
    day = bench.calendar.first
    while day <= bench.calendar.last:
        for step in due(bench, day):
            missed = bench.calendar.test.number_of(day) == 3 and step in (Step.ANALYZE, Step.DECIDE, Step.PROMOTE)
            if not missed:
                run_step(bench, step, day)
        day = type(day).fromordinal(day.toordinal() + 1)
    days = bench.calendar.test.days_through(bench.calendar.last)
    looks = [bench.store.find(f"looks/date={day}", PastLook) for day in days]
    assert [look.day for look in looks if look] == [5, 8]
    assert verdict_of(world).on == bench.calendar.last


def test_nobody_looks_on_other_days(tmp_path: Path, registry_template: Path) -> None:
    world = looking(tmp_path, registry_template, EQUAL, "group_sequential", looks=[3, 5])
    bench = world.bench()
    _, _, third, fourth, *_ = bench.calendar.test.days_through(bench.calendar.last)
    assert Step.ANALYZE in due(bench, third)
    assert Step.ANALYZE not in due(bench, fourth)
    with pytest.raises(LifecycleError, match="not due"):
        run_step(bench, Step.ANALYZE, fourth)


def test_harm_ends_the_test_and_shows_nothing_of_the_primary_before(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(
        tmp_path, registry_template, HARMFUL, metrics=CAPPED, phases=LONGER, sizing={"skip": "to see harm found"}
    )
    outcomes = world.run()
    bench, verdict = world.bench(), verdict_of(world)
    assert (verdict.decision, verdict.rule) == ("stop", "V2")
    assert verdict.sentence.startswith("Stopped on day ")
    assert "a bound that holds at every daily look. control stays." in verdict.sentence
    assert verdict.on is not None
    assert verdict.on < bench.calendar.last
    assert outcomes[-1].day == verdict.on
    assert world.aliases()["champion"] == "1"
    assert bench.store.find("readout", Readout) is None
    assert [entry.kind for entry in bench.ledger.entries()] == ["verdict"]
    assert "stop" in (bench.store.folder / "scorecard.html").read_text(encoding="utf-8").lower()
    for day in bench.calendar.test.days_through(verdict.on)[:-1]:
        health = bench.store.get(f"health/date={day}", Health, step="check_health")
        (harm,) = [check for check in health.checks if check.name == "harm"]
        assert (harm.sentence, harm.numbers) == ("No harm found.", {})


def test_a_harmful_day_that_is_mended_takes_its_stop_back(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(
        tmp_path, registry_template, HARMFUL, metrics=CAPPED, phases=LONGER, sizing={"skip": "to see harm found"}
    )
    world.run()
    stopped = verdict_of(world).on
    assert stopped is not None
    world.draw(EQUAL.model_copy(update={"units_per_day": 3000.0}))  # the logs of all days are mended
    bench = world.bench()
    for day in bench.calendar.test.days_through(stopped):
        for step in (Step.AGGREGATE_DAY, Step.CHECK_HEALTH):
            run_step(bench, step, day)
    assert bench.store.find("verdict", Verdict) is None
    assert bench.ledger.entries()[-1].kind == "stop_withdrawn"


def test_one_harmful_arm_of_two_is_dropped_and_the_other_goes_on(tmp_path: Path, registry_template: Path) -> None:
    truth = Truth(
        units_per_day=6000,
        events=EVENTS,
        effects={"returned": {"treatment": -0.5, "second": 0.3}, "revenue": {"treatment": -0.5}},
    )
    variants = spec_of()["variants"] | {"second": {"version": "@challenger", "weight": 0.5}}
    variants = {name: variant | {"weight": 1} for name, variant in variants.items()}
    world = world_at(
        tmp_path,
        registry_template,
        truth,
        metrics=CAPPED,
        phases=LONGER,
        variants=variants,
        sizing={"skip": "to see harm found"},
    )
    world.run()
    verdict = verdict_of(world)
    rules = {arm.arm: arm.rule for arm in verdict.arms}
    assert rules["treatment"] == "V2"
    assert (verdict.decision, verdict.winner) == ("promote", "second")


def test_a_dropped_arm_that_the_control_answers_leaves_the_test_valid(tmp_path: Path, registry_template: Path) -> None:
    truth = Truth(units_per_day=3000, events=EVENTS, effects={"returned": {"treatment": -0.8}})
    variants = spec_of()["variants"] | {"second": {"version": "@challenger", "weight": 0.5}}
    test = {"start": "2026-10-01", "enroll_days": 4, "days": 5, "why": "a short experiment for the tests"}
    world = with_model(
        tmp_path,
        registry_template,
        truth,
        metrics=CAPPED,
        variants={name: variant | {"weight": 1} for name, variant in variants.items()},
        phases=ONLY_TEST["phases"] | {"test": test},
    )
    bench, dropped = world.bench(), None
    for outcome in run_through(bench, clock=lambda: NOON):
        health = bench.store.find(f"health/date={outcome.day}", Health)
        if dropped is None and health and health.harms:
            dropped = outcome.day
            assert [harm.arm for harm in health.harms] == ["treatment"]
            for later in bench.calendar.test.days_through(bench.calendar.last)[health.number :]:
                answered_by_control(log_file(world, "exposures", later), "treatment")
    assert dropped is not None
    assert dropped < bench.calendar.test.enroll_end - timedelta(days=1)  # others were served by the control
    verdict = verdict_of(world)
    assert {arm.arm: arm.rule for arm in verdict.arms}["treatment"] == "V2"
    assert verdict.rule != "V1"
    # Before its harm was found nobody but its own version may answer an arm.
    first = bench.calendar.test.start
    answered_by_control(log_file(world, "exposures", first), "treatment")
    run_step(bench, Step.AGGREGATE_DAY, first)
    with pytest.raises(GateStopped, match="answered by another version"):
        run_step(bench, Step.CHECK_HEALTH, first)


def answered_by_control(file: Path, arm: str) -> None:
    """Write a day's exposures again as if the control's version had answered an arm."""
    aside = file.with_suffix(".new")
    version = f"case variant when '{arm}' then '1' else model_version end"
    served = f"select * replace ({version} as model_version) from '{file}'"
    duckdb.connect().execute(f"copy ({served}) to '{aside}' (format parquet)")
    aside.replace(file)


def test_a_better_version_is_not_stopped(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, BETTER)
    world.run()
    assert (verdict_of(world).decision, verdict_of(world).rule) == ("promote", "E1")
    assert world.bench().store.get("readout", Readout, step="x").of("returned", "treatment").word is Word.BETTER
