"""An honest look at a test that is read once: what is shown, what is kept, and what the verdict pays."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from abflow.analysis.peeking import Peek
from abflow.analysis.readout import Margin, Readout, Word
from abflow.analysis.verdict import Verdict
from abflow.errors import (
    EvidenceMissing,
    ExperimentStopped,
    GateStopped,
    LedgerBroken,
    LifecycleError,
    NotEnoughData,
)
from abflow.lifecycle.peeking import peek
from abflow.lifecycle.promotion import stop
from abflow.lifecycle.steps import run_step, run_through
from abflow.registry.ledger import Entry, Ledger
from abflow.simulate.truth import Truth
from abflow.spec.calendar import Step
from abflow.stats.result import Estimate
from tests.lifecycle.world import BETTER, EQUAL, NOON, World, spec_of, world_at

LATER = NOON + timedelta(days=1)


def running(root: Path, registry: Path, truth: Truth = EQUAL, *, days: int = 3, **changes: Any) -> World:
    """A world after so many days of its test."""
    world = world_at(root, registry, truth, **changes)
    go_on(world, days=days)
    return world


def go_on(world: World, *, days: int) -> None:
    bench = world.bench()
    list(run_through(bench, bench.calendar.test.start + timedelta(days=days - 1), clock=lambda: NOON))


def check(world: World, day: date) -> None:
    for step in (Step.AGGREGATE_DAY, Step.CHECK_HEALTH):
        run_step(world.bench(), step, day)


def look(world: World, *, by: str = "ann", reason: str = "the board meets today", now: datetime = NOON) -> list[str]:
    return peek(world.bench(), by=by, reason=reason, now=now)


def kept(world: World) -> list[Peek]:
    bench = world.bench()
    found = (
        bench.store.find(f"peeks/date={day}", Peek) for day in bench.calendar.test.days_through(bench.calendar.last)
    )
    return [each for each in found if each]


def entries(world: World) -> list[Entry]:
    return [entry for entry in world.bench().ledger.entries() if entry.kind == "looked_at"]


def verdict_of(world: World) -> Verdict:
    return world.bench().store.get("verdict", Verdict, step="decide")


def test_a_peek_shows_the_confidence_sequence_of_the_primary_and_nothing_that_holds_for_one_look_only(
    tmp_path: Path, registry_template: Path
) -> None:
    world = running(tmp_path, registry_template)
    heading, primary, follows = look(world)
    assert heading == "Day 3 of 6, looked at by ann on 2026-11-01: the board meets today"
    assert primary.startswith("returned, treatment: ")
    assert "95 % confidence sequence" in primary
    assert "revenue" not in primary
    told = " ".join((heading, primary, follows))
    assert "p-value" not in told
    assert " p " not in told
    assert "its result is due when 2026-10-12 is over" in follows


def test_a_peek_is_kept_with_who_when_and_why_and_the_plan_keeps_its_hash(
    tmp_path: Path, registry_template: Path
) -> None:
    world = running(tmp_path, registry_template)
    frozen = (world.bench().store.folder / "frozen.json").read_bytes()
    look(world)
    (found,) = kept(world)
    assert (found.number, found.by, found.reason, found.at) == (3, "ann", "the board meets today", NOON)
    (entry,) = entries(world)
    assert entry.facts == {"day": "2026-10-09", "number": 3, "by": "ann", "reason": "the board meets today"}
    assert (world.bench().store.folder / "frozen.json").read_bytes() == frozen
    page = (world.bench().store.folder / "scorecard.html").read_text(encoding="utf-8")
    assert "Looked at on day 3, before the horizon,</b> by ann: the board meets today" in page
    assert "it will be read by confidence sequences" in page
    tracking = world.bench().tracking
    assert tracking is not None
    assert "peeks" in {file.path for file in tracking._client.list_artifacts(tracking.run_id)}


def test_a_second_peek_on_a_day_is_the_same_look_and_one_on_another_day_is_another(
    tmp_path: Path, registry_template: Path
) -> None:
    world = running(tmp_path, registry_template)
    first = look(world)
    before = world.store_bytes()
    again = look(world, by="bob", reason="I did not know that ann had looked", now=LATER)
    assert again == first
    assert world.store_bytes() == before
    go_on(world, days=4)
    assert look(world, by="bob", now=LATER)[0].startswith("Day 4 of 6, looked at by bob on 2026-11-02")
    assert [each.number for each in kept(world)] == [3, 4]
    assert [entry.facts["number"] for entry in entries(world)] == [3, 4]


def test_after_a_peek_the_horizon_is_read_by_confidence_sequences_and_told_so(
    tmp_path: Path, registry_template: Path
) -> None:
    gain = BETTER.model_copy(update={"effects": {"returned": {"treatment": 0.12}}})
    world = running(tmp_path / "peeked", registry_template, gain)
    look(world)
    world.run()
    unseen = world_at(tmp_path / "unseen", registry_template, gain)
    unseen.run()
    readout, once = (each.bench().store.get("readout", Readout, step="analyze") for each in (world, unseen))
    assert (readout.looked_at, once.looked_at) == ((3,), ())
    assert readout.spec_sha256 == once.spec_sha256
    primary, read_once = (each.of("returned", "treatment") for each in (readout, once))
    assert primary.deciding is not None
    assert isinstance(read_once.effect, Estimate)
    assert (primary.deciding.method, primary.corrected_by) == (("asymptotic confidence sequence",) * 2)
    assert (primary.word, primary.precision) == (Word.BETTER, None)
    wider = (primary.deciding.upper - primary.deciding.lower) / (read_once.effect.upper - read_once.effect.lower)
    assert wider == pytest.approx(1.55, abs=0.06)
    guarded, guarded_once = (each.of("revenue", "treatment").margin for each in (readout, once))
    assert isinstance(guarded, Margin)
    assert isinstance(guarded_once, Margin)
    assert guarded.method == "one-sided confidence sequence"
    assert guarded.lower < guarded_once.lower
    page = (world.bench().store.folder / "scorecard.html").read_text(encoding="utf-8")
    assert "Somebody looked on day 3, so confidence sequences read it at its horizon." in page
    assert "fixed_horizon, read by always_valid after a look on day 3" in page
    assert verdict_of(world).on == world.bench().calendar.last
    # Better at a p between 0.05 and 0.001: as a test that is read once it would have to be powered (rule A5).
    assert primary.adjusted_p is not None
    assert 0.001 < primary.adjusted_p < 0.05
    assert verdict_of(world).arms[0].rule == "A7"


def test_a_peek_adds_no_look_at_which_the_test_could_end(tmp_path: Path, registry_template: Path) -> None:
    much = BETTER.model_copy(update={"effects": {"returned": {"treatment": 0.6}}})
    world = running(tmp_path, registry_template, much)
    assert look(world)[1].endswith(", better.")
    outcomes = [outcome for outcome in run_through(world.bench(), clock=lambda: NOON) if outcome.step == "analyze"]
    assert [outcome.day for outcome in outcomes] == [world.bench().calendar.last]


def test_a_peeked_experiment_runs_the_same_again(tmp_path: Path, registry_template: Path) -> None:
    world = running(tmp_path, registry_template, BETTER)
    look(world)
    world.run()
    first = world.store_bytes()
    world.run()
    assert world.store_bytes() == first


def test_a_peek_that_died_before_the_ledger_is_finished_by_the_next_and_was_never_shown(
    tmp_path: Path, registry_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = running(tmp_path, registry_template)

    def cut(*_: Any, **__: Any) -> Any:
        raise LedgerBroken("the entry was cut")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "record_once", cut)
        with pytest.raises(LedgerBroken):
            look(world)
    assert entries(world) == []
    assert len(kept(world)) == 1  # whoever reads the test next pays, although nobody saw a number
    look(world, by="bob", now=LATER)
    assert [entry.facts["by"] for entry in entries(world)] == ["ann"]


@pytest.mark.parametrize("reason", ["", "  ", "?"])
def test_a_peek_needs_a_reason(tmp_path: Path, reason: str) -> None:
    world = World(tmp_path, mlflow=False)
    world.write()
    with pytest.raises(LifecycleError, match="needs a reason"):
        look(world, reason=reason)


def test_a_peek_is_for_a_running_test(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, EQUAL)
    with pytest.raises(EvidenceMissing, match="no day of the test was checked yet"):
        look(world)
    world.run()
    with pytest.raises(ExperimentStopped, match="ended on 2026-10-12"):
        look(world)
    (world.bench().store.folder / "verdict.json").unlink()
    with pytest.raises(LifecycleError, match="the test is over; its result is read by the steps of 2026-10-12"):
        look(world)
    stop(world.bench(), reason="cancelled", now=NOON)
    with pytest.raises(ExperimentStopped, match="was stopped: cancelled"):
        look(world)
    assert (kept(world), entries(world)) == ([], [])


def test_nobody_looks_at_numbers_that_may_not_be_read(tmp_path: Path, registry_template: Path) -> None:
    world = running(tmp_path, registry_template, days=1)
    world.draw(EQUAL.model_copy(update={"skew": 0.2}))
    second = world.bench().calendar.test.start + timedelta(days=1)
    with pytest.raises(GateStopped, match="is invalid on day"):
        check(world, second)
    with pytest.raises(GateStopped, match=r"is invalid, so there is nothing to look at\. The "):
        look(world)
    assert (kept(world), entries(world)) == ([], [])


def test_a_sequence_that_has_not_begun_shows_nothing_and_keeps_nothing(tmp_path: Path, registry_template: Path) -> None:
    sizing = {"on_insufficient": {"continue": "to see a small test"}}
    few = EQUAL.model_copy(update={"units_per_day": 700.0})
    world = running(tmp_path, registry_template, few, days=1, sizing=sizing)
    with pytest.raises(NotEnoughData, match=r"nothing to see on day 1\. returned, treatment could not be computed"):
        look(world)
    assert (kept(world), entries(world)) == ([], [])


def test_where_nobody_knows_how_many_units_come_the_sequence_is_still_a_sequence(
    tmp_path: Path, registry_template: Path
) -> None:
    phases = spec_of()["phases"] | {"aa": {"skip": "trusted for years"}}
    world = running(tmp_path, registry_template, phases=phases, sizing={"skip": "we know"}, days=3)
    _, primary, _ = look(world)
    low, high = (float(end) for end in primary.split("(")[1].split(" pp;")[0].replace(" pp to ", " ").split())
    assert math.isfinite(low)
    assert low < 0 < high


def test_a_plan_that_has_no_use_for_a_peek_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, mlflow=False)
    world.write(analysis={"method": "bayesian"})
    with pytest.raises(LifecycleError, match="short: a peek is for fixed_horizon; bayesian reads returned by its own"):
        look(world)
    assert (kept(world), entries(world)) == ([], [])
