"""What units did before, from the logs to the verdict."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from abflow.analysis.readout import Comparison, Readout
from abflow.engine import measuring
from abflow.errors import ContractBroken
from abflow.lifecycle.daily import check_health
from abflow.lifecycle.horizon import analyze
from abflow.lifecycle.steps import due, run_step
from abflow.simulate.truth import EventTruth, Truth
from abflow.spec.calendar import Step
from abflow.stats.result import Estimate
from tests.lifecycle.restating import NO_MODEL, bench_of, kinds, log_file, recheck, rewrite, run
from tests.lifecycle.world import NOON, World

DAYS = 6
AA = date(2026, 10, 5)
LAST = date(2026, 10, 12)
# Everybody has a past, and who does much goes on doing much.
LOYAL = Truth(
    units_per_day=400,
    history_days=DAYS,
    established_share=1.0,
    returning=2.0,
    active_days=60,
    events={
        "session": EventTruth(share=0.5, per_day=1.5, value=None),
        "purchase": EventTruth(share=0.5, per_day=0.8),
    },
)
PLAN: dict[str, Any] = {
    "phases": {
        "shadow": {"skip": "nothing is mirrored"},
        "aa": {"start": str(AA), "enroll_days": 3, "days": 4},
        "test": {"enroll_days": 3, "days": 4, "why": "a short experiment for the tests"},
    },
    "analysis": {"cuped": {"days": DAYS}},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ran to its verdict; stories work on copies of it."""
    world = World(tmp_path_factory.mktemp("cuped"), mlflow=False)
    world.write(**PLAN | NO_MODEL)
    world.draw(LOYAL)
    run(world)
    return world.root


@pytest.fixture
def world(finished: Path, tmp_path: Path) -> World:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return World(tmp_path, World(finished).plain | PLAN | NO_MODEL, mlflow=False)


def readout_of(world: World) -> Readout:
    return world.bench().store.get("readout", Readout, step="analyze")


def revenue(world: World) -> Comparison:
    return readout_of(world).of("revenue", "treatment")


def width(found: object) -> float:
    assert isinstance(found, Estimate)
    return found.upper - found.lower


def first_day(world: World) -> str:
    """Run the first steps of the A/A phase on a store that knows nothing."""
    shutil.rmtree(world.root / "data")
    return [run_step(bench_of(world), step, AA, clock=lambda: NOON).sentence for step in due(bench_of(world), AA)][1]


def forget_day(world: World, day: date) -> None:
    """Make a day one that was never logged, and that nobody has read."""
    shutil.rmtree(log_file(world, "outcomes", day).parent)
    shutil.rmtree(world.bench().store.folder / "unit_day" / "log=outcomes" / f"date={day}")


def test_history_narrows_the_interval_and_says_by_how_much(world: World) -> None:
    found = readout_of(world).of("returned", "treatment")
    assert width(found.effect) < 0.6 * width(found.unadjusted)
    assert found.variance_kept is not None
    assert found.variance_kept < 0.36
    assert found.notes[0].startswith("CUPED, coefficient ")
    assert found.notes[0].endswith(" of the variance.")
    names = [check.name for check in readout_of(world).checks]
    assert "returned before the test, treatment" in names


def test_a_day_that_was_never_logged_is_told_and_the_rest_is_used(world: World) -> None:
    before = revenue(world)
    forget_day(world, AA - timedelta(days=1))
    analyze(bench_of(world), LAST)
    found = revenue(world)
    assert found.notes[0].endswith("of the variance. Of the 6 days before, the logs have 5.")
    assert found.unadjusted == before.unadjusted
    assert found.effect != before.effect


def test_the_first_day_of_a_phase_tells_which_days_before_there_are(world: World) -> None:
    assert first_day(world).endswith("CUPED has all 6 days before.")
    for ago in (1, 5, 6):
        shutil.rmtree(log_file(world, "outcomes", AA - timedelta(days=ago)).parent)
    missing = "not 2026-09-29 to 2026-09-30, 2026-10-04."
    assert first_day(world).endswith(f"Of the 6 days before that CUPED reads, the outcome log has 3: {missing}")
    told = run_step(bench_of(world), Step.AGGREGATE_DAY, AA + timedelta(days=1), clock=lambda: NOON).sentence
    assert "CUPED" not in told


def test_a_broken_day_before_is_refused_on_the_first_day(world: World) -> None:
    day = AA - timedelta(days=2)
    rewrite(log_file(world, "outcomes", day), "select * replace (null::varchar as user_id) from '{file}'")
    with pytest.raises(ContractBroken, match=rf"log 'outcomes', day {day}: .* has no readable user_id"):
        first_day(world)


def test_logs_of_days_before_that_were_cleared_away_are_not_needed_again(world: World) -> None:
    before = readout_of(world)
    for ago in range(1, DAYS + 1):
        shutil.rmtree(log_file(world, "outcomes", AA - timedelta(days=ago)).parent)
    assert recheck(world) == ""
    analyze(bench_of(world), LAST)
    assert readout_of(world) == before


def test_a_restated_day_before_the_test_is_noticed_and_what_rests_on_it_is_done_again(world: World) -> None:
    assert recheck(world) == ""
    before, day = readout_of(world), AA - timedelta(days=2)
    rewrite(log_file(world, "outcomes", day), "select * from '{file}' where user_id < 'u8'")
    told = recheck(world)
    assert f"the logs were restated: {day}." in told
    assert kinds(world)[-2:] == ["restated", "verdict"]
    after = readout_of(world)
    assert after.inputs != before.inputs
    assert revenue(world).effect != before.of("revenue", "treatment").effect
    assert revenue(world).unadjusted == before.of("revenue", "treatment").unadjusted
    assert recheck(world) == ""


def test_a_restated_day_that_only_the_aa_phase_looks_back_to_leaves_the_readout_as_it_was(world: World) -> None:
    before, day = readout_of(world), AA - timedelta(days=DAYS)
    rewrite(log_file(world, "outcomes", day), "select * from '{file}' where user_id < 'u8'")
    assert f"the logs were restated: {day}." in recheck(world)
    assert readout_of(world) == before


def test_the_health_of_a_day_does_not_read_the_days_before(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **named: object) -> None:
        raise AssertionError("somebody asked what units did before")

    monkeypatch.setattr(measuring, "with_history", refuse)
    check_health(bench_of(world), LAST - timedelta(days=1))
    with pytest.raises(AssertionError, match="somebody asked"):
        analyze(bench_of(world), LAST)
