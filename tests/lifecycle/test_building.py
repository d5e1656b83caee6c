"""Partitions are built before the steps of a day, in any order and side by side, and nothing else comes of it."""

from __future__ import annotations

import multiprocessing
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from abflow.errors import ContractBroken, DataError, ExperimentStopped, LogMissing, SpecFrozen
from abflow.lifecycle import promotion
from abflow.lifecycle.building import Build, build_partition, to_build
from abflow.lifecycle.partitions import Source, build
from abflow.lifecycle.steps import run_step, run_through
from abflow.spec.calendar import Step
from tests.lifecycle.restating import (
    BETTER,
    EVEN,
    LATER,
    ONLY_TEST,
    aggregate,
    bench_of,
    day,
    kinds,
    log_file,
    project,
    recheck,
    restate,
    rewrite,
    run,
    run_day,
    verdict_of,
)
from tests.lifecycle.world import NOON, World, spec_of

ALL_DAYS = (1, 2, 3, 4)
VISITS = {"visits": {"role": "secondary", "kind": "mean", "event": "visit", "value": "value"}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return project(tmp_path / "world", BETTER)


@pytest.fixture
def even(tmp_path: Path) -> World:
    return project(tmp_path / "even", EVEN)


def listed(world: World, number: int, *, now: datetime = NOON) -> list[str]:
    """What is to be built before a day's steps."""
    return [str(each) for each in to_build(bench_of(world), day(number), now=now)]


def named(*numbers: int, sources: tuple[str, ...] = ("exposures", "outcomes")) -> list[str]:
    return [f"{day(number)} {source}" for number in numbers for source in sources]


def build_all(world: World, names: list[str], number: int) -> list[str]:
    return [build_partition(bench_of(world), Build.parse(name), day(number)) for name in names]


def test_the_first_day_lists_all_days_of_its_phase_that_are_over(world: World) -> None:
    assert listed(world, 1) == named(*ALL_DAYS)
    assert listed(world, 1, now=datetime(2026, 10, 4, 0, 5, tzinfo=UTC)) == named(1, 2, 3)
    assert listed(world, 1, now=datetime(2026, 10, 2, 0, 5, tzinfo=UTC)) == named(1)


def test_no_day_of_a_phase_is_built_before_the_gates_in_front_of_it(tmp_path: Path) -> None:
    aa = {"start": "2026-09-20", "enroll_days": 2, "days": 3}
    world = project(tmp_path, BETTER, phases=ONLY_TEST["phases"] | {"aa": aa})
    names = [str(each) for each in to_build(bench_of(world), date(2026, 9, 20), now=NOON)]
    assert names == [f"2026-09-{number} {source}" for number in (20, 21, 22) for source in Source]
    assert listed(world, 1) == []


def test_a_day_whose_partitions_are_there_lists_nothing_and_its_steps_read_no_log(world: World) -> None:
    build_all(world, listed(world, 1), 1)
    assert listed(world, 1) == []
    cost = run_step(bench_of(world), Step.AGGREGATE_DAY, day(1), clock=lambda: NOON).cost
    assert cost is not None
    assert (cost.rows, cost.bytes) == (0, 0)
    run_day(world, 1)
    assert listed(world, 2) == []


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "backwards"])
def test_built_ahead_in_any_order_everything_is_as_if_each_day_built_its_own(
    world: World, tmp_path: Path, order: int
) -> None:
    build_all(world, listed(world, 1)[::order], 1)
    run(world)
    fresh = project(tmp_path / "fresh", BETTER)
    run(fresh)
    assert world.store_bytes() == fresh.store_bytes()
    assert kinds(world) == kinds(fresh) == ["verdict"]


def test_built_by_processes_at_the_same_time_the_bytes_are_the_same(world: World, tmp_path: Path) -> None:
    names = listed(world, 1)
    fork = multiprocessing.get_context("fork")
    # Each builds all, one from the front and one from the back: in the middle they build the same ones together.
    together = [fork.Process(target=build_all, args=(world, names[::order], 1)) for order in (1, -1)]
    for process in together:
        process.start()
    for process in together:
        process.join()
    assert [process.exitcode for process in together] == [0, 0]
    fresh = project(tmp_path / "fresh", BETTER)
    for number in (3, 1, 4, 2):
        for source in Source:
            build(bench_of(fresh), source, day(number))
    built = {name: content for name, content in world.store_bytes().items() if name.startswith("unit_day/")}
    assert len(built) >= 2 * 8
    assert built == {name: content for name, content in fresh.store_bytes().items() if name.startswith("unit_day/")}


def test_only_the_log_that_changed_is_listed_and_what_rests_on_its_day_is_done_again(world: World, even: World) -> None:
    run(world)
    restate(world, even, *LATER)
    names = listed(world, 4)
    assert names == named(*LATER, sources=("outcomes",))
    build_all(world, names, 4)
    assert listed(world, 4) == []
    told = aggregate(world, 4)
    assert "were restated: 2026-10-02 to 2026-10-04. Health was checked again from 2026-10-02 to 2026-10-04." in told
    assert verdict_of(world).decision == "undecided"
    assert kinds(world) == ["verdict", "restated", "verdict", "verdict_changed"]


def test_without_its_notes_everything_is_looked_at_and_a_restated_day_is_still_noticed(
    world: World, even: World
) -> None:
    run(world)
    shutil.rmtree(world.bench().store.notes.folder)
    restate(world, even, *LATER)
    names = listed(world, 4)
    assert names == named(*ALL_DAYS)
    build_all(world, names, 4)
    assert "were restated: 2026-10-02 to 2026-10-04." in recheck(world)
    assert verdict_of(world).decision == "undecided"


def test_a_day_built_ahead_is_not_called_restated_when_its_log_changes_before_its_own_run(
    world: World, even: World, tmp_path: Path
) -> None:
    build_all(world, listed(world, 1), 1)
    run_day(world, 1)
    restate(world, even, 2, 3)
    assert recheck(world) == ""
    assert listed(world, 2) == named(2, 3, sources=("outcomes",))
    for number in (2, 3, 4):
        run_day(world, number)
    fresh = project(tmp_path / "fresh", BETTER)
    restate(fresh, even, 2, 3)
    run(fresh)
    assert kinds(world) == ["verdict"]
    assert world.store_bytes() == fresh.store_bytes()


def test_a_new_metric_lists_all_days_that_were_read_and_gives_what_it_would_have_from_the_start(tmp_path: Path) -> None:
    aa = {"start": "2026-09-20", "enroll_days": 2, "days": 3}
    phases = ONLY_TEST["phases"] | {"aa": aa}
    world = project(tmp_path / "world", BETTER, phases=phases)
    last = date(2026, 9, 22)
    list(run_through(bench_of(world), date(2026, 9, 21), clock=lambda: NOON))
    world.write(metrics=spec_of()["metrics"] | VISITS)
    wanted = to_build(bench_of(world), last, now=NOON)
    assert [str(each) for each in wanted] == [
        f"2026-09-{number} {source}" for number in (20, 21, 22) for source in Source
    ]
    for each in wanted:
        build_partition(bench_of(world), each, last)
    told = run_step(bench_of(world), Step.AGGREGATE_DAY, last, clock=lambda: NOON).sentence
    assert told.startswith("Read again, because other things are asked of their logs now: 2026-09-20 to 2026-09-21.")
    run(world)
    fresh = project(tmp_path / "fresh", BETTER, phases=phases, metrics=spec_of()["metrics"] | VISITS)
    shutil.rmtree(fresh.root / "logs")
    shutil.copytree(world.root / "logs", fresh.root / "logs")
    run(fresh)
    assert world.store_bytes() == fresh.store_bytes()
    assert kinds(world) == ["verdict"]


def test_the_first_day_of_a_phase_lists_the_days_before_that_cuped_reads(tmp_path: Path) -> None:
    world = project(tmp_path, BETTER, analysis={"cuped": {"days": 3}})
    before = [date(2026, 9, number) for number in (28, 29, 30)]
    missing, *there = before
    for each in there:
        folder = log_file(world, "outcomes", each).parent
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(log_file(world, "outcomes", day(1)), folder)
    log_file(world, "outcomes", missing).unlink(missing_ok=True)
    names = listed(world, 1)
    assert names == [*(f"{each} outcomes" for each in there), *named(*ALL_DAYS)]
    build_all(world, names, 1)
    run_day(world, 1)
    assert listed(world, 1) == []
    restated = log_file(world, "outcomes", there[0])
    rewrite(restated, "select * from '{file}' limit 10")
    assert listed(world, 2) == [f"{there[0]} outcomes"]


def test_a_log_that_is_not_there_is_listed_for_its_own_day_and_for_no_other(world: World) -> None:
    log_file(world, "exposures", day(1)).unlink()
    shutil.rmtree(log_file(world, "outcomes", day(3)).parent)
    assert listed(world, 1) == [*named(1, 2), f"{day(3)} exposures", *named(4)]
    with pytest.raises(LogMissing, match=r"'exposures'.*2026-10-01"):
        build_all(world, [f"{day(1)} exposures"], 1)
    assert "does not need it: log 'outcomes'" in build_all(world, [f"{day(3)} outcomes"], 1)[0]


def test_a_broken_log_fails_the_day_that_needs_it_and_no_earlier_one(world: World) -> None:
    rewrite(log_file(world, "exposures", day(2)), "select * replace ('nobody' as variant) from '{file}'")
    (said,) = build_all(world, [f"{day(2)} exposures"], 1)
    assert said.startswith("2026-10-02 exposures was not built, and 2026-10-01 does not need it: log 'exposures'")
    run_day(world, 1)
    assert f"{day(2)} exposures" in listed(world, 2)
    with pytest.raises(ContractBroken, match="'nobody'"):
        build_all(world, [f"{day(2)} exposures"], 2)
    with pytest.raises(ContractBroken, match="'nobody'"):
        aggregate(world, 2)


def test_a_broken_restated_day_fails_the_run_and_leaves_everything_as_it_was(world: World) -> None:
    run(world, through=3)
    before = world.store_bytes(but=())
    log_file(world, "outcomes", day(2)).write_bytes(b"PAR1")
    assert listed(world, 4) == [f"{day(2)} outcomes", *named(4)]
    with pytest.raises(DataError, match=r"logs of 2026-10-02 changed after they had been read.*stay as they were"):
        build_all(world, [f"{day(2)} outcomes"], 4)
    assert world.store_bytes(but=()) == before


def test_logs_that_were_cleared_away_are_not_listed(world: World) -> None:
    run(world, through=3)
    shutil.rmtree(log_file(world, "outcomes", day(1)).parent)
    log_file(world, "exposures", day(2)).unlink()
    assert listed(world, 4) == named(4)


def test_nothing_is_built_for_steps_that_will_refuse(world: World) -> None:
    run(world, through=2)
    world.write(metrics=spec_of()["metrics"] | VISITS)  # the plan is frozen
    assert listed(world, 3) == []
    with pytest.raises(SpecFrozen):
        build_all(world, named(3), 3)
    promotion.stop(bench_of(world), reason="not worth it", now=NOON)
    assert listed(world, 3) == []
    with pytest.raises(ExperimentStopped):
        build_all(world, named(3), 3)


def test_every_build_says_what_it_cost(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "abflow.lifecycle")
    (said,) = build_all(world, [f"{day(1)} outcomes"], 1)
    assert said.startswith("2026-10-01 outcomes: ")
    assert any(line.startswith("Cost of build_outcomes on 2026-10-01: read ") for line in caplog.messages)
