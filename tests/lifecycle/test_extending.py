"""Tests that go on past the last day of their plan, as the plan promised, for want of precision."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from abflow.analysis.blueprint import Extended
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Verdict
from abflow.errors import ExperimentStopped, LedgerBroken, LifecycleError
from abflow.lifecycle import promotion
from abflow.lifecycle.extending import extend
from abflow.lifecycle.horizon import analyze
from abflow.lifecycle.peeking import peek
from abflow.lifecycle.steps import Ended, Outcome, due, run_step, run_through
from abflow.registry.ledger import Ledger
from abflow.simulate.simulation import simulate
from abflow.simulate.truth import Truth
from abflow.spec.calendar import Step, calendar_of
from tests.lifecycle.world import BETTER, EQUAL, NOON, World, spec_of, world_at

GAIN = {"returned": {"treatment": 0.25}}
FEW = Truth(units_per_day=250, events=EQUAL.events)


def promising(root: Path, registry: Path, truth: Truth, *, days: int = 9, **changes: Any) -> World:
    """A test of six days, of which units enter on five, that may last longer; with logs for as long as it may."""
    test = spec_of()["phases"]["test"] | {"extend": {"max_days": days}}
    sizing = {"on_insufficient": {"continue": "it may be extended"}}
    phases = spec_of()["phases"] | {"test": test}
    world = world_at(root, registry, truth, **({"phases": phases, "sizing": sizing} | changes))
    versions = {"control": "1", "treatment": "2"}
    simulate(world.bench().spec.extended, truth, seed=4, root=world.root, versions=versions)
    return world


def of_day(outcomes: list[Outcome], day: Any) -> dict[Step, Ended]:
    return {outcome.step: outcome.ended for outcome in outcomes if outcome.day == day}


def verdict_of(world: World) -> Verdict:
    return world.bench().store.get("verdict", Verdict, step="decide")


def test_a_test_that_is_not_precise_enough_goes_on_as_its_plan_promised(
    tmp_path: Path, registry_template: Path
) -> None:
    world = promising(tmp_path, registry_template, FEW)
    outcomes = world.run()
    bench = world.bench()
    planned = calendar_of(bench.spec).last
    extended = bench.store.get("extended", Extended, step="analyze")
    assert (extended.on, extended.last, extended.days) == (planned, planned + timedelta(days=3), 9)
    assert 0 < (extended.precision["treatment"] or 0) < 100 / 1.1**2
    on_the_day = of_day(outcomes, planned)
    assert on_the_day[Step.ANALYZE] is Ended.DONE
    assert {on_the_day[step] for step in (Step.DECIDE, Step.PROMOTE)} == {Ended.NOTHING_TO_DO}
    (told,) = [each.sentence for each in outcomes if (each.day, each.step) == (planned, Step.ANALYZE)]
    assert told.startswith(f"On {planned} precision was ")
    assert "The effect had no part in that." in told
    assert bench.calendar.last == extended.last
    assert of_day(outcomes, extended.last)[Step.DECIDE] is Ended.DONE
    assert verdict_of(world).on == extended.last
    readout = bench.store.get("readout", Readout, step="analyze")
    assert (readout.day, readout.final) == (9, True)
    entries = bench.ledger.entries()
    assert [entry.kind for entry in entries][:2] == ["extended", "verdict"]
    assert entries[0].facts["until"] == extended.last.isoformat()


def test_who_is_new_on_the_added_days_enters_and_so_does_who_came_in_the_tail_of_the_plan(
    tmp_path: Path, registry_template: Path
) -> None:
    world = promising(tmp_path / "longer", registry_template, FEW)
    world.run()
    plain = world_at(
        tmp_path / "plain", registry_template, FEW, sizing={"on_insufficient": {"continue": "it may be extended"}}
    )
    simulate(world.bench().spec.extended, FEW, seed=4, root=plain.root, versions={"control": "1", "treatment": "2"})
    plain.run()
    longer, shorter = (each.bench().store.get("readout", Readout, step="analyze") for each in (world, plain))
    assert shorter.too_late > 0  # the sixth day's
    # Units enter for eight days instead of five.
    assert sum(longer.units.values()) == pytest.approx(1.6 * sum(shorter.units.values()), rel=0.2)
    assert longer.of("returned", "treatment").effect.se < shorter.of("returned", "treatment").effect.se  # type: ignore[union-attr]


def test_a_test_that_is_precise_enough_is_read_on_its_day_and_the_days_after_are_skipped(
    tmp_path: Path, registry_template: Path
) -> None:
    world = promising(tmp_path, registry_template, BETTER)
    world.run()
    bench = world.bench()
    planned = calendar_of(bench.spec).last
    assert bench.store.find("extended", Extended) is None
    assert verdict_of(world).on == planned
    for days in (1, 3):
        with pytest.raises(ExperimentStopped, match=f"ended on {planned}: promote"):
            due(bench, planned + timedelta(days=days))
    with pytest.raises(LifecycleError, match="is not one of its days"):
        due(bench, planned + timedelta(days=4))


def test_a_plan_that_promised_nothing_is_read_on_its_day_however_little_it_knows(
    tmp_path: Path, registry_template: Path
) -> None:
    world = world_at(tmp_path, registry_template, FEW, sizing={"on_insufficient": {"continue": "to see it end"}})
    world.run()
    assert world.bench().store.find("extended", Extended) is None
    assert verdict_of(world).on == calendar_of(world.bench().spec).last


def test_nothing_is_due_on_the_days_that_a_test_may_have_until_it_is_known_whether_it_has_them(
    tmp_path: Path, registry_template: Path
) -> None:
    world = promising(tmp_path, registry_template, FEW)
    bench = world.bench()
    planned = calendar_of(bench.spec).last
    assert due(bench, planned + timedelta(days=1)) == ()
    world.run()
    assert due(bench, planned + timedelta(days=1)) == (Step.AGGREGATE_DAY, Step.CHECK_HEALTH)
    assert Step.ANALYZE in due(bench, planned)  # the plan's day keeps its steps, which have nothing more to do


def test_an_extended_test_runs_the_same_again_and_is_extended_once(tmp_path: Path, registry_template: Path) -> None:
    world = promising(tmp_path, registry_template, FEW)
    world.run()
    first = world.store_bytes()
    world.run()
    assert world.store_bytes() == first
    kinds = [entry.kind for entry in world.bench().ledger.entries()]
    assert kinds.count("extended") == 1


def test_the_steps_of_the_plans_last_day_leave_an_extended_test_alone(tmp_path: Path, registry_template: Path) -> None:
    world = promising(tmp_path, registry_template, FEW)
    planned = calendar_of(world.bench().spec).last
    list(run_through(world.bench(), planned, clock=lambda: NOON))
    bench = world.bench()
    assert bench.store.find("readout", Readout) is None  # nobody has computed the effect
    assert run_step(bench, Step.DECIDE, planned).ended is Ended.NOTHING_TO_DO
    assert run_step(bench, Step.PROMOTE, planned).ended is Ended.NOTHING_TO_DO
    assert promotion.ask(bench, planned) is None  # what Airflow asks before it asks a person
    with pytest.raises(LifecycleError, match="the plan does not look on"):
        analyze(bench, planned)
    page = (bench.store.folder / "scorecard.html").read_text(encoding="utf-8")
    assert "<b>Extended.</b> On " in page
    assert f"The result is due when {planned + timedelta(days=3)} is over." in page


def test_an_extension_that_died_before_its_entry_is_finished_by_the_next_try(
    tmp_path: Path, registry_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = promising(tmp_path, registry_template, FEW)
    planned = calendar_of(world.bench().spec).last
    list(run_through(world.bench(), planned - timedelta(days=1), clock=lambda: NOON))
    for step in (Step.AGGREGATE_DAY, Step.CHECK_HEALTH):
        run_step(world.bench(), step, planned)

    def cut(*_: Any, **__: Any) -> Any:
        raise LedgerBroken("the entry was cut")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "record_once", cut)
        with pytest.raises(LedgerBroken):
            run_step(world.bench(), Step.ANALYZE, planned)
    assert run_step(world.bench(), Step.ANALYZE, planned).sentence.startswith(f"On {planned} precision was ")
    assert [entry.kind for entry in world.bench().ledger.entries()] == ["extended"]


def test_a_gain_does_not_change_whether_a_test_goes_on(tmp_path: Path, registry_template: Path) -> None:
    world = promising(tmp_path, registry_template, FEW.model_copy(update={"effects": GAIN}))
    planned = calendar_of(world.bench().spec).last
    list(run_through(world.bench(), planned, clock=lambda: NOON))
    assert world.bench().store.find("extended", Extended)


def test_after_a_peek_a_test_is_extended_by_the_same_rule(tmp_path: Path, registry_template: Path) -> None:
    world = promising(tmp_path, registry_template, FEW)
    bench = world.bench()
    list(run_through(bench, bench.calendar.test.start + timedelta(days=3), clock=lambda: NOON))
    peek(bench, by="ann", reason="the board meets", now=NOON)
    world.run()
    extended = world.bench().store.get("extended", Extended, step="analyze")
    readout = world.bench().store.get("readout", Readout, step="analyze")
    assert (verdict_of(world).on, readout.looked_at) == (extended.last, (4,))
    deciding = readout.of("returned", "treatment").deciding
    assert deciding is not None
    assert deciding.method == "asymptotic confidence sequence"


def test_no_day_but_the_last_of_the_plan_extends_it(tmp_path: Path, registry_template: Path) -> None:
    world = promising(tmp_path, registry_template, FEW)
    bench = world.bench()
    planned = calendar_of(bench.spec).last
    for day in (planned - timedelta(days=1), planned + timedelta(days=1)):
        assert extend(bench, day, now=NOON) is None
