"""What was said stays readable, and what restated days change in it raises an alarm and moves nothing."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from abflow.analysis.blueprint import Frozen
from abflow.analysis.gates import Gate, GateStatus
from abflow.analysis.looks import PastLook
from abflow.analysis.population import Population
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Verdict
from abflow.errors import DataError, EvidenceMissing
from abflow.lifecycle import promotion
from abflow.lifecycle.history import alarms, timeline
from abflow.lifecycle.page import registry_lines
from abflow.lifecycle.steps import Ended, run_step
from abflow.spec.calendar import Step
from tests.lifecycle.restating import (
    BETTER,
    EVEN,
    LATER,
    ONLY_TEST,
    SKEWED,
    aggregate,
    bench_of,
    day,
    differing,
    kinds,
    log_file,
    project,
    recheck,
    restate,
    rewrite,
    run,
    run_day,
    verdict_of,
    with_model,
    write_back,
)
from tests.lifecycle.world import NOON, World, spec_of

ALARM = (
    "The verdict was promote treatment (rule E1) until 2026-10-02 to 2026-10-04 were restated; now it is undecided "
    "(rule E3). Nothing is promoted or rolled back because of that: look at both, then decide."
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return project(tmp_path / "world", BETTER)


@pytest.fixture
def even(tmp_path: Path) -> World:
    return project(tmp_path / "even", EVEN)


@pytest.fixture
def served(tmp_path: Path, registry_template: Path) -> World:
    """The same as `world`, with versions in a registry."""
    return with_model(tmp_path / "served", registry_template, BETTER)


def page_of(world: World) -> str:
    page = (world.bench().store.folder / "scorecard.html").read_text(encoding="utf-8")
    return page.replace("\N{NO-BREAK SPACE}", " ")


def alarm_tag(world: World) -> str | None:
    tracking = world.bench().tracking
    assert tracking is not None
    tag: str | None = tracking._client.get_run(tracking.run_id).data.tags.get("abflow.alarm")
    return tag


def test_after_the_verdict_a_changed_word_raises_an_alarm_and_moves_nothing(
    served: World, even: World, caplog: pytest.LogCaptureFixture
) -> None:
    run(served)
    before = served.aliases()
    assert before["champion"] == "2"
    restate(served, even, *LATER)
    assert recheck(served, pages=True).endswith(ALARM)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING][-1].endswith(ALARM)
    assert kinds(served) == ["verdict", "promoted", "restated", "verdict", "verdict_changed"]
    assert served.bench().ledger.entries()[-1].facts["sentence"] == ALARM
    assert alarm_tag(served) == ALARM
    page = page_of(served)
    assert ALARM in page
    assert "churn@champion: 1 -&gt; 2" in page  # what was done in the registry is told as before
    assert served.aliases() == before
    assert run_day(served, 4)[-1] == "The verdict promotes nothing; the registry is left alone."
    assert (served.aliases(), len(kinds(served))) == (before, 5)


def test_what_was_said_before_stays_readable_with_the_inputs_that_it_used(world: World, even: World) -> None:
    run(world)
    store, first = world.bench().store, verdict_of(world)
    readout = store.get("readout", Readout, step="analyze")
    restate(world, even, *LATER)
    recheck(world)
    kept = store.history("verdict", Verdict)
    assert list(kept.values()).count(first) == 1
    assert verdict_of(world) in kept.values()
    assert store.history("readout", Readout)[first.readout or ""] == readout
    (_, restated, *_) = world.bench().ledger.entries()
    assert set(restated.facts["days"]) == set(restated.facts["before"]) == {str(day(number)) for number in LATER}


def test_a_verdict_that_comes_back_takes_its_alarm_back(served: World, even: World) -> None:
    run(served, pages=True)
    whole = served.store_bytes()
    before = restate(served, even, *LATER)
    recheck(served, pages=True)
    write_back(before)
    assert "The verdict was" not in recheck(served, pages=True)
    assert differing(whole, served.store_bytes()) == {"scorecard.html"}  # which tells that days were restated
    assert "Changed by restated days" not in page_of(served)
    assert "2026-10-02 to 2026-10-04" in page_of(served)
    assert alarm_tag(served) is None
    assert recheck(served) == ""
    again = ["restated", "verdict", "verdict_changed"]
    assert kinds(served) == ["verdict", "promoted", *again, "restated", "verdict"]
    restate(served, even, *LATER)  # and it may change once more
    recheck(served)
    assert kinds(served)[-3:] == again


def test_a_readout_with_the_same_word_raises_no_alarm_and_promotes_nothing_twice(served: World, even: World) -> None:
    run(served)
    restate(served, even, 4)
    assert "The verdict was" not in recheck(served)
    assert verdict_of(served).decision == "promote"
    assert "Version 2 was promoted on" in run_day(served, 4)[-1]
    assert kinds(served) == ["verdict", "promoted", "restated", "verdict"]
    assert served.aliases()["previous_champion"] == "1"
    assert registry_lines(served.bench())[:2] == ("Changed in the registry:", "churn@champion: 1 -> 2")


def test_a_win_that_restated_days_have_made_promotes_nothing_before_a_person_agrees(
    tmp_path: Path, registry_template: Path, world: World
) -> None:
    served = with_model(tmp_path / "served", registry_template, EVEN)
    run(served)
    assert verdict_of(served).decision == "undecided"
    restate(served, world, 1, *LATER)
    with pytest.raises(EvidenceMissing, match="verdict that restated days have changed promotes nothing by itself"):
        run(served)
    assert verdict_of(served).decision == "promote"
    assert served.aliases()["champion"] == "1"
    promotion.record_approval(served.bench(), answer="approve", by="ann", reason="read both scorecards", at=NOON)
    assert run_day(served, 4)[-1].startswith("Promoted version 2")
    assert served.aliases()["champion"] == "2"
    assert alarm_tag(served) is None  # what was promoted is what people act on from now on
    assert recheck(served) == ""


def test_a_cleared_run_of_any_day_notices_it_after_the_end(world: World, even: World) -> None:
    run(world)
    restate(world, even, *LATER)
    assert ALARM in aggregate(world, 1)


def test_restated_twice_keeps_every_readout_and_tells_them_in_their_order(world: World, even: World) -> None:
    run(world)
    restate(world, even, *LATER)
    recheck(world)
    rewrite(log_file(world, "outcomes", day(4)), "select * from '{file}' where event_type <> 'purchase'")
    recheck(world)
    bench = world.bench()
    readouts = bench.store.history("readout", Readout)
    assert len(readouts) == 3
    lines = list(timeline(bench))
    told = ["verdict", "restated:", "verdict", "alarm:", "restated:", "verdict", "alarm:"]
    assert [line.split()[2] for line in lines] == told
    assert lines[0].startswith(
        "2026-11-01 12:00 verdict of 2026-10-04: promote treatment (rule E1); returned of treatment better, "
        "revenue of treatment safe; inputs "
    )
    for sha256, readout in readouts.items():
        assert any(readout.inputs[:12] in line and sha256[:12] in line for line in lines)


def test_an_old_verdict_that_was_edited_is_refused(world: World) -> None:
    run(world)
    (file,) = (world.bench().store.folder / "history" / "verdict").iterdir()
    file.write_text(file.read_text(encoding="utf-8").replace("better", "worse", 1), encoding="utf-8")
    with pytest.raises(DataError, match="was edited: its SHA-256 is no longer its name"):
        list(timeline(world.bench()))


WITH_AA: dict[str, Any] = {
    "phases": ONLY_TEST["phases"] | {"aa": {"start": "2026-09-27", "enroll_days": 3, "days": 4}},
}


def test_an_aa_day_restated_after_its_gate_is_judged_beside_and_the_test_does_not_move(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = project(tmp_path, BETTER, **WITH_AA)
    run(world, through=2)
    store = world.bench().store
    passed = store.get("gates/aa", Gate, step="aa_check")
    frozen, aa = store.get("frozen", Frozen, step="x"), store.get("aa/population", Population, step="x")
    file = log_file(world, "exposures", date(2026, 9, 28))
    whole = file.read_bytes()
    rewrite(file, SKEWED)
    told = aggregate(world, 3)
    again = store.get("gates/aa_again", Gate, step="aa_check")
    assert (passed.status, again.status) == (GateStatus.PASS, GateStatus.FAIL)
    assert store.get("gates/aa", Gate, step="x") == passed
    assert (store.get("frozen", Frozen, step="x"), store.get("aa/population", Population, step="x")) == (frozen, aa)
    alarm = "The A/A gate said pass when the plan was frozen; judged again, with the days that were restated since,"
    assert alarm in told
    assert any(alarm in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert kinds(world) == ["restated", "gate_changed"]
    run_day(world, 3)
    run(world, pages=True)
    assert verdict_of(world).decision == "promote"
    assert alarm in page_of(world)
    file.write_bytes(whole)
    recheck(world, pages=True)
    assert store.find("gates/aa_again", Gate) is None
    assert alarm not in page_of(world)
    assert len(store.history("gates/aa_again", Gate)) == 1


def test_a_restated_day_that_shows_harm_ends_the_running_test_on_that_day(tmp_path: Path, world: World) -> None:
    worse = project(tmp_path / "worse", BETTER.model_copy(update={"effects": {"returned": {"treatment": -0.7}}}))
    run(world, through=3)
    restate(world, worse, 1, 2, 3)
    outcome = run_step(bench_of(world), Step.AGGREGATE_DAY, day(4), clock=lambda: NOON)
    assert outcome.ended is Ended.NOTHING_TO_DO
    assert outcome.sentence.endswith("With its restated days the experiment ended before this one.")
    assert (verdict_of(world).decision, verdict_of(world).rule) == ("stop", "V2")
    assert verdict_of(world).on in (day(2), day(3))
    assert kinds(world) == ["restated", "verdict"]


def test_a_verdict_whose_restated_days_fail_a_check_becomes_invalid(world: World) -> None:
    run(world)
    rewrite(log_file(world, "exposures", day(2)), SKEWED)
    told = recheck(world)
    assert (verdict_of(world).decision, verdict_of(world).rule) == ("invalid", "V1")
    assert "until 2026-10-02 was restated; now it is invalid (rule V1)" in told
    assert recheck(world) == ""


def test_a_stop_that_rested_on_a_restated_day_is_taken_back_and_stays_readable(tmp_path: Path, world: World) -> None:
    worse = project(tmp_path / "worse", BETTER.model_copy(update={"effects": {"returned": {"treatment": -0.7}}}))
    run(worse)
    stopped = verdict_of(worse)
    assert stopped.rule == "V2"
    restate(worse, world, 1, *LATER)
    recheck(worse)
    store = worse.bench().store
    assert store.find("verdict", Verdict) is None
    assert list(store.history("verdict", Verdict).values()) == [stopped]
    assert kinds(worse) == ["verdict", "restated", "stop_withdrawn"]
    run(worse)  # it goes on from where it was
    assert verdict_of(worse).decision == "promote"
    assert kinds(worse)[-1] == "verdict"
    assert alarms(worse.bench()) == {}  # nobody acted on the stop any more


def test_the_newest_look_is_taken_again_and_what_looks_have_spent_stays_spent(tmp_path: Path, even: World) -> None:
    metrics = spec_of()["metrics"] | {"revenue": spec_of()["metrics"]["revenue"] | {"cap": 200.0}}
    looks: dict[str, Any] = {
        "analysis": {"method": "group_sequential", "looks": [2, 3]},
        "metrics": metrics,
        "sizing": {
            "baseline": {"value": 0.4, "units_per_day": 600, "source": "last week"},
            "on_insufficient": {"continue": "looks are tested here"},
        },
    }
    world = project(tmp_path / "looking", EVEN, **looks)
    better = project(tmp_path / "better", BETTER, **looks)
    run(world, through=3)
    store = world.bench().store
    first, second = (store.get(f"looks/date={day(number)}", PastLook, step="analyze") for number in (2, 3))
    assert verdict_of(world).decision == "none_yet"
    restate(world, better, 1)
    recheck(world)
    assert store.get(f"looks/date={day(2)}", PastLook, step="analyze") == first
    again = store.get(f"looks/date={day(3)}", PastLook, step="analyze")
    assert (again.spent, again.day) == (second.spent, 3)
    assert len(store.history("readout", Readout)) == 3
    assert verdict_of(world).on == day(3)
