"""Days whose logs are written again are noticed, read again alone, and what rests on them is done again."""

from __future__ import annotations

import multiprocessing
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from abflow.analysis.readout import Readout
from abflow.engine.tables import open_tables
from abflow.engine.unit_day import UnitDay
from abflow.errors import DataError, EvidenceMissing, GateStopped
from abflow.lifecycle import consequences, restated, tables
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.daily import Health, check_health
from abflow.lifecycle.horizon import analyze
from abflow.lifecycle.partitions import inputs_now
from abflow.lifecycle.steps import run_step, run_through
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
    write_back,
)
from tests.lifecycle.world import NOON, World, spec_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return project(tmp_path / "world", BETTER)


@pytest.fixture
def even(tmp_path: Path) -> World:
    return project(tmp_path / "even", EVEN)


def inputs_of(world: World, number: int) -> str:
    health = world.bench().store.get(f"health/date={day(number)}", Health, step="check_health")
    return health.partition.inputs


def test_a_query_reads_on_while_a_day_is_read_again(world: World, even: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run_day(world, 1)
    events = "select unit_id, happened from events order by all"
    before = tables.ask(bench_of(world), events)
    restate(world, even, 1)

    def late(*given: Any, **named: Any) -> Any:
        aggregate(world, 1)
        return open_tables(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "open_tables", late)
        assert tables.ask(bench_of(world), events) == before
    assert tables.ask(bench_of(world), events) != before
    assert len(list(world.root.glob(f"data/store/**/log=outcomes/date={day(1)}/*.parquet"))) == 1


def test_the_first_day_run_again_says_what_it_said(world: World) -> None:
    """Without A/A the plan is frozen at the end of the day; that the plan is there now must change nothing."""
    first, again = run_day(world, 1), run_day(world, 1)
    assert first == again
    assert not any("harm" in sentence for sentence in first)
    assert any("No harm found." in sentence for sentence in run_day(world, 2))


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which days were read, and what was done again, in order."""
    found: list[str] = []
    unit_day = Bench.unit_day

    def reads(bench: Bench, day: date) -> UnitDay:
        found.append(f"read {day.day}")
        return unit_day(bench, day)

    def reads_again(bench: Bench, day: date) -> str:
        found.append(f"again {day.day}")
        return inputs_now(bench, day)

    def checks(bench: Bench, day: date) -> str:
        found.append(f"health {day.day}")
        return check_health(bench, day)

    def analyzes(bench: Bench, day: date) -> str:
        found.append(f"analyze {day.day}")
        return analyze(bench, day)

    monkeypatch.setattr(Bench, "unit_day", reads)
    monkeypatch.setattr(restated, "inputs_now", reads_again)
    monkeypatch.setattr(consequences, "check_health", checks)
    monkeypatch.setattr(consequences, "analyze", analyzes)
    return found


def test_days_that_nobody_touched_are_not_read_again(world: World, done: list[str]) -> None:
    run(world)
    assert done == ["read 1", "read 2", "read 3", "read 4"]
    assert recheck(world) == ""
    assert len(done) == 4


def test_files_with_new_times_and_the_same_bytes_change_nothing(world: World, done: list[str]) -> None:
    run(world)
    before = world.store_bytes()
    log_file(world, "outcomes", day(2)).touch()
    done.clear()
    assert recheck(world) == ""
    assert done == ["again 2"]
    assert recheck(world) == ""
    assert done == ["again 2"]
    assert (world.store_bytes(), kinds(world)) == (before, ["verdict"])


def test_a_day_restated_while_the_test_runs_is_noticed_by_the_next(world: World, even: World, done: list[str]) -> None:
    run(world, through=3)
    before = [inputs_of(world, number) for number in (1, 2, 3)]
    restate(world, even, 2)
    done.clear()
    told = aggregate(world, 4)
    assert told.startswith(
        "Read again, because the logs were restated: 2026-10-02. "
        "Health was checked again from 2026-10-02 to 2026-10-03. "
    )
    assert done == ["again 2", "health 2", "health 3", "read 4"]
    assert [inputs_of(world, number) == was for number, was in zip((1, 2, 3), before, strict=True)] == [
        *(True, False, True),
    ]
    assert kinds(world) == ["restated"]


@pytest.mark.parametrize("step", [Step.CHECK_HEALTH, Step.ANALYZE])
def test_clearing_one_task_is_enough_to_notice_its_day(step: Step, world: World, even: World) -> None:
    run(world)
    restate(world, even, 4)
    told = run_step(bench_of(world), step, day(4), clock=lambda: NOON).sentence
    assert told.startswith("Read again, because the logs were restated: 2026-10-04.")
    assert recheck(world) == ""


def test_the_result_is_that_of_logs_that_were_never_restated(world: World, even: World, tmp_path: Path) -> None:
    run(world, through=3)
    restate(world, even, 2, 3)
    run_day(world, 4)
    fresh = project(tmp_path / "fresh", BETTER)
    restate(fresh, even, 2, 3)
    run(fresh)
    assert world.store_bytes() == fresh.store_bytes()


def test_many_days_at_once_are_all_read_and_what_rests_on_them_is_done_once(
    world: World, even: World, done: list[str]
) -> None:
    run(world)
    restate(world, even, 1, 3, 4)
    done.clear()
    told = recheck(world)
    assert "were restated: 2026-10-01, 2026-10-03 to 2026-10-04. " in told
    assert done == [
        *("again 1", "again 3", "again 4"),
        *("health 1", "health 2", "health 3", "health 4"),
        "analyze 4",
    ]
    assert kinds(world) == ["verdict", "restated", "verdict", "verdict_changed"]


def test_a_day_that_makes_the_running_test_invalid_holds_it_until_it_is_mended(world: World) -> None:
    run(world, through=3)
    file = log_file(world, "exposures", day(2))
    whole = file.read_bytes()
    rewrite(file, SKEWED)
    for _ in range(2):
        with pytest.raises(GateStopped, match=r"is invalid on day 2 \(rule V1\)"):
            aggregate(world, 4)
    file.write_bytes(whole)
    run(world)
    assert verdict_of(world).decision == "promote"
    assert kinds(world) == ["restated", "restated", "verdict"]


def test_a_broken_restated_day_leaves_everything_as_it_was(world: World) -> None:
    run(world)
    before = world.store_bytes(but=())
    file = log_file(world, "outcomes", day(2))
    whole = file.read_bytes()
    file.write_bytes(whole[:1000])
    for _ in range(2):
        with pytest.raises(DataError, match=r"logs of 2026-10-02 changed after .* be read.*part-0.parquet.*stay as"):
            recheck(world)
        assert world.store_bytes(but=()) == before
    file.write_bytes(whole)
    assert recheck(world) == ""
    assert world.store_bytes(but=()) == before


def test_a_broken_day_does_not_hide_the_sound_one_that_was_restated_with_it(world: World, even: World) -> None:
    run(world)
    restate(world, even, *LATER)
    file = log_file(world, "outcomes", day(4))
    sound = file.read_bytes()
    file.write_bytes(sound[:1000])
    with pytest.raises(DataError, match="the logs of 2026-10-04 changed"):
        recheck(world)
    assert verdict_of(world).decision == "promote"
    file.write_bytes(sound)
    assert "were restated: 2026-10-02 to 2026-10-04." in recheck(world)
    assert verdict_of(world).decision == "undecided"


def test_logs_that_are_cleared_away_leave_their_days_as_they_were_read(world: World, done: list[str]) -> None:
    run(world, through=3)
    shutil.rmtree(log_file(world, "outcomes", day(1)).parent)
    log_file(world, "exposures", day(2)).unlink()
    run_day(world, 4)
    assert done == ["read 1", "read 2", "read 3", "read 4"]
    assert (verdict_of(world).decision, kinds(world)) == ("promote", ["verdict"])


@pytest.mark.parametrize("moment", ["check_health", "analyze", "judge", "raise_alarms"])
def test_whoever_is_killed_half_way_does_it_again(
    moment: str, world: World, even: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    run(world)
    restate(world, even, *LATER)
    with monkeypatch.context() as patched:
        patched.setattr(consequences, moment, die)
        with pytest.raises(Killed):
            recheck(world)
    assert "now it is undecided (rule E3)" in recheck(world)
    assert verdict_of(world).decision == "undecided"
    assert kinds(world) == ["verdict", "restated", "verdict", "verdict_changed"]
    assert recheck(world) == ""


def test_killed_half_way_and_restored_before_the_next_run_is_done_again_too(
    world: World, even: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world)
    whole = world.store_bytes()
    before = restate(world, even, *LATER)
    with monkeypatch.context() as patched:
        patched.setattr(consequences, "analyze", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            recheck(world)
    assert differing(whole, world.store_bytes())
    write_back(before)
    assert recheck(world)
    assert differing(whole, world.store_bytes()) == set()


def test_runs_that_are_cleared_together_do_it_once(world: World, even: World) -> None:
    run(world)
    restate(world, even, *LATER)
    fork = multiprocessing.get_context("fork")
    together = [fork.Process(target=recheck, args=(world,)) for _ in range(3)]
    for process in together:
        process.start()
    for process in together:
        process.join()
    assert [process.exitcode for process in together] == [0, 0, 0]
    assert verdict_of(world).decision == "undecided"
    assert kinds(world) == ["verdict", "restated", "verdict", "verdict_changed"]
    assert recheck(world) == ""


def test_a_day_that_changes_while_it_is_aggregated_again_is_noticed_by_the_next_step(
    world: World, even: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(world)
    unit_day = Bench.unit_day

    def late(bench: Bench, on: date) -> UnitDay:
        restate(world, even, 4)
        return unit_day(bench, on)

    with monkeypatch.context() as patched:
        patched.setattr(Bench, "unit_day", late)
        aggregate(world, 4)
    assert kinds(world) == ["verdict"]
    assert recheck(world).startswith("Read again, because the logs were restated: 2026-10-04.")


def test_notes_may_be_deleted_at_any_time(world: World, even: World, done: list[str]) -> None:
    run(world)
    before = world.store_bytes()
    notes = world.bench().store.notes.folder
    shutil.rmtree(notes)
    done.clear()
    assert recheck(world) == ""
    assert recheck(world) == ""
    assert done == ["again 1", "again 2", "again 3", "again 4"]
    assert world.store_bytes() == before
    shutil.rmtree(notes)
    restate(world, even, *LATER)
    recheck(world)
    assert verdict_of(world).decision == "undecided"


def test_a_metric_added_before_the_plan_is_frozen_is_read_from_the_days_before(tmp_path: Path) -> None:
    aa = {"start": "2026-09-20", "enroll_days": 2, "days": 3}
    world = project(tmp_path, BETTER, phases=ONLY_TEST["phases"] | {"aa": aa})
    first, second = date(2026, 9, 20), date(2026, 9, 21)
    list(run_through(bench_of(world), first, clock=lambda: NOON))
    before = world.bench().manifest(first).inputs
    visits = {"role": "secondary", "kind": "mean", "event": "visit", "value": "value"}
    world.write(metrics=spec_of()["metrics"] | {"visits": visits})
    told = run_step(bench_of(world), Step.AGGREGATE_DAY, second, clock=lambda: NOON).sentence
    assert told.startswith("Read again, because other things are asked of their logs now: 2026-09-20. Health")
    assert world.bench().manifest(first).inputs != before
    assert kinds(world) == []


@pytest.mark.parametrize("log", ["exposures", "outcomes"])
def test_what_is_asked_of_a_day_whose_log_is_gone_is_not_counted_from_the_days_that_are_left(
    log: str, tmp_path: Path
) -> None:
    aa = {"start": "2026-09-20", "enroll_days": 2, "days": 3}
    world = project(tmp_path, BETTER, phases=ONLY_TEST["phases"] | {"aa": aa})
    first, second = date(2026, 9, 20), date(2026, 9, 21)
    list(run_through(bench_of(world), first, clock=lambda: NOON))
    file = log_file(world, log, first)
    kept = file.read_bytes()
    file.unlink()
    run_step(bench_of(world), Step.AGGREGATE_DAY, second, clock=lambda: NOON)
    run_step(bench_of(world), Step.CHECK_HEALTH, second, clock=lambda: NOON)  # nothing new is asked
    asked = {
        "exposures": {"role": "secondary", "kind": "quantile", "q": 0.5, "value": "latency_ms"},
        "outcomes": {"role": "secondary", "kind": "mean", "event": "visit", "value": "value"},
    }
    plain = world.plain["metrics"]
    world.write(metrics=plain | {"added": asked[log]})
    with pytest.raises(EvidenceMissing, match=f"'{log}', day 2026-09-20, was read before something else was asked"):
        run_step(bench_of(world), Step.CHECK_HEALTH, second, clock=lambda: NOON)
    world.write(metrics=plain)
    run_step(bench_of(world), Step.CHECK_HEALTH, second, clock=lambda: NOON)
    world.write(metrics=plain | {"added": asked[log]})
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(kept)
    run_step(bench_of(world), Step.CHECK_HEALTH, second, clock=lambda: NOON)


def test_the_newest_readout_is_that_of_the_logs_as_they_are(world: World, even: World) -> None:
    run(world)
    before = world.bench().store.get("readout", Readout, step="analyze")
    restate(world, even, *LATER)
    recheck(world)
    after = world.bench().store.get("readout", Readout, step="analyze")
    assert before.inputs != after.inputs
    assert world.bench().store.history("readout", Readout)[verdict_of(world).readout or ""] == after


def check_often(world: World, number: int) -> None:
    for _ in range(8):
        check_health(bench_of(world), day(number))


def test_runs_of_several_days_at_the_same_time_take_no_state_from_one_another(world: World) -> None:
    """Only the newest state is kept, and each rolls its own; what the others read stays until they have read it."""
    run(world, through=3)
    for number in (1, 2, 3):
        check_health(bench_of(world), day(number))
    before = world.store_bytes()
    fork = multiprocessing.get_context("fork")
    together = [fork.Process(target=check_often, args=(world, number)) for number in (1, 2, 3)]
    for process in together:
        process.start()
    for process in together:
        process.join()
    assert [process.exitcode for process in together] == [0, 0, 0]
    check_health(bench_of(world), day(3))
    assert world.store_bytes() == before  # and nothing is left over


def test_a_restated_day_of_the_aa_phase_takes_its_events_out_of_the_test(tmp_path: Path, done: list[str]) -> None:
    """The sessions of the test's second day were logged in the A/A phase before, as its new file says."""
    aa = {"start": "2026-09-20", "enroll_days": 2, "days": 3}
    world, fresh = (
        project(tmp_path / name, BETTER, phases=ONLY_TEST["phases"] | {"aa": aa}) for name in ("world", "fresh")
    )

    def readout(of: World) -> Readout:
        return of.bench().store.get("readout", Readout, step="analyze")

    def log_again(of: World) -> None:
        early = "select * replace (timestamp - interval 11 day as timestamp)"
        again = f"{early} from '{log_file(of, 'outcomes', day(2))}'"
        rewrite(log_file(of, "outcomes", date(2026, 9, 21)), f"from '{{file}}' union all by name {again}")

    run(world)
    counted = readout(world).of("returned", "treatment").treatment.mean
    done.clear()
    log_again(world)
    assert recheck(world).startswith("Read again, because the logs were restated: 2026-09-21.")
    assert done == ["again 21", "health 21", "health 22", *(f"health {number}" for number in (1, 2, 3, 4)), "analyze 4"]
    assert recheck(world) == ""
    log_again(fresh)
    run(fresh)
    assert readout(world) == readout(fresh)
    assert readout(world).of("returned", "treatment").treatment.mean < counted
