"""The lifecycle with real steps on logs whose truth is known, and a real registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from abflow.analysis.gates import Gate, GateStatus
from abflow.analysis.readout import Readout, Word
from abflow.analysis.verdict import Decision, Verdict
from abflow.errors import (
    DataError,
    EvidenceMissing,
    ExperimentStopped,
    GateStopped,
    LifecycleError,
    RegistryMoved,
    SpecFrozen,
)
from abflow.lifecycle import promotion
from abflow.lifecycle.steps import Ended, due, run_step, run_through
from abflow.lifecycle.tables import ask
from abflow.registry.ledger import Ledger
from abflow.registry.plan import Receipt
from abflow.simulate.expected import expected
from abflow.spec.calendar import Step
from tests.lifecycle.world import BETTER, EQUAL, NOON, World, spec_of, world_at


@pytest.fixture
def better(tmp_path: Path, registry_template: Path) -> World:
    return world_at(tmp_path, registry_template, BETTER)


def verdict_of(world: World) -> Verdict:
    return world.bench().store.get("verdict", Verdict, step="decide")


def kinds(world: World) -> list[str]:
    return [entry.kind for entry in world.bench().ledger.entries()]


def test_better_version_is_promoted_with_evidence(better: World) -> None:
    outcomes = better.run()
    verdict = verdict_of(better)
    assert (verdict.decision, verdict.rule, verdict.winner, verdict.version) == ("promote", "E1", "treatment", "2")
    assert verdict.arms[0].rule == "A7"
    assert better.aliases() == {"champion": "2", "previous_champion": "1", "challenger": "2"}
    assert outcomes[-1].step is Step.PROMOTE
    assert outcomes[-1].ended is Ended.DONE
    client = better.bench().registry._client  # type: ignore[union-attr]
    tags = client.get_model_version("churn", "2").tags
    entry = better.bench().ledger.entries()[-1]
    assert tags["abflow.experiment"] == "short"
    assert tags["abflow.ledger_sha256"] == entry.sha256
    assert tags["abflow.effect"].endswith(" pp")
    assert kinds(better) == ["verdict", "promoted"]


def test_the_run_in_mlflow_holds_blueprint_health_and_evidence(better: World) -> None:
    better.run()
    tracking = better.bench().tracking
    assert tracking is not None
    run = tracking._client.get_run(tracking.run_id)
    assert run.data.tags["abflow.verdict"] == "promote"
    assert '"control": "models:/churn/1"' in run.data.tags["abflow.candidates"]
    assert run.info.status == "FINISHED"
    history = tracking._client.get_metric_history(tracking.run_id, "health/units")
    assert [point.step for point in history] == list(range(3, 13))  # ten days of A/A and test, each once
    better.run()
    assert len(tracking._client.get_metric_history(tracking.run_id, "health/units")) == 10
    names = {file.path for file in tracking._client.list_artifacts(tracking.run_id)}
    assert {"blueprint.json", "readout.json", "verdict.json", "scorecard.html", "gates"} <= names


def test_the_tables_answer_in_sql(better: World) -> None:
    better.run()
    bench = better.bench()
    readout = bench.store.get("readout", Readout, step="analyze")
    units = ask(bench, "select variant, count(*) from units where phase = 'test' group by variant")
    enrolled = {variant: units for variant, units in units.rows if variant in readout.units}
    assert all(enrolled[variant] >= count for variant, count in readout.units.items())
    told = ask(bench, "select effect from readout where contamination = 'exclude' and metric = 'returned'", limit=1)
    assert told.columns == ("effect",)
    assert len(told.rows) == 1
    with pytest.raises(DataError, match="The tables are events, moments, readout, unit_days, units"):
        ask(bench, "from nothing")


def test_truth_is_found_back(better: World) -> None:
    better.run()
    effect = better.bench().store.get("readout", Readout, step="analyze").of("returned", "treatment")
    means = expected(better.bench().spec, BETTER)["returned"]
    truth = means["treatment"] - means["control"]
    assert effect.word is Word.BETTER
    assert effect.effect.lower < truth < effect.effect.upper  # type: ignore[union-attr]


def test_equal_version_is_not_promoted(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, EQUAL)
    outcomes = world.run()
    assert verdict_of(world).decision in (Decision.KEEP, Decision.UNDECIDED)
    assert world.aliases() == {"champion": "1", "challenger": "2"}
    assert outcomes[-1].ended is Ended.NOTHING_TO_DO
    assert not (world.bench().store.folder / "receipt.json").exists()
    assert kinds(world) == ["verdict"]


def test_failing_shadow_model_stops_at_the_shadow_gate(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, EQUAL.model_copy(update={"shadow_error_rate": 0.05}))
    with pytest.raises(GateStopped, match=r"mirrored requests failed .* allowed is 1 %"):
        world.run()
    assert not (world.bench().store.folder / "unit_day").exists()


def test_skewed_split_stops_at_the_aa_gate(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, EQUAL.model_copy(update={"skew": 0.2}))
    with pytest.raises(GateStopped, match=r"the aa gate says fail. The sample ratio is off"):
        world.run()
    gate = world.bench().store.get("gates/aa", Gate, step="aa_check")
    assert gate.status is GateStatus.FAIL
    assert not (world.bench().store.folder / "frozen.json").exists()
    with pytest.raises(GateStopped, match="the aa gate says fail"):  # the next day does not go past it
        run_step(world.bench(), Step.AGGREGATE_DAY, world.bench().calendar.test.start)


def test_small_test_stops_at_the_sizing_gate_and_goes_on_when_told_why(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, EQUAL.model_copy(update={"units_per_day": 500.0}))
    with pytest.raises(GateStopped, match=r"the sizing gate says insufficient. Finding a change of"):
        world.run()
    world.write(sizing={"on_insufficient": {"continue": "we only want to see it run"}})
    world.run()
    assert verdict_of(world).continued == {"sizing": "we only want to see it run"}
    assert world.bench().store.get("gates/sizing", Gate, step="x").status is GateStatus.INSUFFICIENT


def test_split_that_breaks_during_the_test_makes_it_invalid(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, BETTER.model_copy(update={"skew": 0.2, "skew_phase": "test"}))
    with pytest.raises(GateStopped, match=r"is invalid on day \d+ \(rule V1\)"):
        world.run()
    bench = world.bench()
    for day in bench.calendar.test.days_through(bench.calendar.last):  # as "Mark success" on every day would
        for step in (Step.AGGREGATE_DAY, Step.CHECK_HEALTH):
            try:
                run_step(bench, step, day)
            except GateStopped:
                assert step is Step.CHECK_HEALTH
    run_step(bench, Step.ANALYZE, bench.calendar.last)
    run_step(bench, Step.DECIDE, bench.calendar.last)
    assert (verdict_of(world).decision, verdict_of(world).rule) == ("invalid", "V1")
    assert run_step(bench, Step.PROMOTE, bench.calendar.last).ended is Ended.NOTHING_TO_DO
    assert world.aliases()["champion"] == "1"


def test_the_same_inputs_leave_the_same_bytes(better: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    better.run()
    first = better.store_bytes()
    better.run()
    assert better.store_bytes() == first
    elsewhere = world_at(tmp_path_factory.mktemp("again"), better.root / "mlflow.db", BETTER)
    promotion.rollback(
        elsewhere.bench().registry,  # type: ignore[arg-type]
        elsewhere.bench().ledger,
        "churn",
        alias="champion",
        reason="start over",
        now=NOON,
    )
    elsewhere.run()
    assert elsewhere.store_bytes() == first


def test_a_second_promotion_changes_nothing(better: World) -> None:
    better.run()
    before, entries = better.aliases(), kinds(better)
    outcome = run_step(better.bench(), Step.PROMOTE, better.bench().calendar.last)
    assert "nothing was changed again" in outcome.sentence
    assert (better.aliases(), kinds(better)) == (before, entries)


def test_promotion_refuses_when_the_registry_moved(better: World) -> None:
    bench = better.bench()
    for outcome in run_through(bench, clock=lambda: NOON):
        if outcome.step is Step.DECIDE:
            break
    bench.registry._client.set_registered_model_alias("churn", "champion", "3")  # type: ignore[union-attr]
    with pytest.raises(RegistryMoved, match=r"churn@champion is version 3, but the plan was made when it was 1"):
        run_step(bench, Step.PROMOTE, bench.calendar.last)
    assert better.aliases() == {"champion": "3", "challenger": "2"}
    run_step(bench, Step.DECIDE, bench.calendar.last)
    assert verdict_of(better).rule == "V1"
    assert "churn@champion was version 1" in verdict_of(better).sentence


def test_promotion_that_died_after_moving_the_alias_is_finished(better: World) -> None:
    bench = better.bench()
    better.run()
    (bench.store.folder / "receipt.json").unlink()  # as if killed between the registry and the receipt
    outcome = run_step(bench, Step.PROMOTE, bench.calendar.last)
    assert outcome.ended is Ended.DONE
    assert better.aliases() == {"champion": "2", "previous_champion": "1", "challenger": "2"}
    assert kinds(better) == ["verdict", "promoted"]


def test_dry_run_leaves_the_registry_alone(better: World) -> None:
    bench = better.bench()
    for outcome in run_through(bench, clock=lambda: NOON):
        if outcome.step is Step.DECIDE:
            break
    outcome = run_step(bench, Step.PROMOTE, bench.calendar.last, dry_run=True)
    assert "churn@champion: 1 -> 2" in outcome.sentence
    assert better.aliases() == {"champion": "1", "challenger": "2"}


def test_rollback_gives_the_alias_back_once(better: World) -> None:
    better.run()
    bench = better.bench()
    told = promotion.rollback(
        bench.registry,  # type: ignore[arg-type]
        bench.ledger,
        "churn",
        alias="champion",
        reason="errors in production",
        now=NOON,
    )
    assert "churn@champion: 2 -> 1" in told
    assert better.aliases() == {"champion": "1", "challenger": "2"}
    assert kinds(better)[-1] == "rolled_back"
    with pytest.raises(Exception, match="nothing to go back to"):
        promotion.rollback(
            bench.registry,  # type: ignore[arg-type]
            bench.ledger,
            "churn",
            alias="champion",
            reason="again",
            now=NOON,
        )


def test_older_stages_are_written_when_asked_for(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, BETTER, promotion={"approval": "none", "stages": True})
    world.run()
    client = world.bench().registry._client  # type: ignore[union-attr]
    stages = {number: client.get_model_version("churn", number).current_stage for number in ("1", "2")}
    assert stages == {"1": "Archived", "2": "Production"}


def test_approval_is_asked_for_and_bound_to_the_plan(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, BETTER, promotion={"approval": "required"})
    last = world.bench().calendar.last
    outcomes = world.run()
    assert outcomes[-1].ended is Ended.WAITS
    assert "churn@champion: 1 -> 2" in outcomes[-1].sentence
    with pytest.raises(EvidenceMissing, match="nobody has approved this plan"):
        run_step(world.bench(), Step.PROMOTE, last)
    with pytest.raises(LifecycleError, match="needs a reason"):
        promotion.record_approval(world.bench(), answer="approve", by="ann", reason=" ", at=NOON)
    with pytest.raises(LifecycleError, match="needs a reason"):
        promotion.record_approval(world.bench(), answer="reject", by="ann", reason="", at=NOON)
    promotion.record_approval(world.bench(), answer="reject", by="ann", reason="freeze week", at=NOON)
    with pytest.raises(EvidenceMissing, match="ann rejected this plan: freeze week"):
        run_step(world.bench(), Step.PROMOTE, last)
    promotion.record_approval(world.bench(), answer="approve", by="ann", reason="looks good", at=NOON)
    assert promotion.ask(world.bench(), last) is not None  # asking again voids the answer
    with pytest.raises(EvidenceMissing, match="nobody has approved"):
        run_step(world.bench(), Step.PROMOTE, last)
    promotion.record_approval(world.bench(), answer="approve", by="bob", reason="looks good", at=NOON)
    run_step(world.bench(), Step.PROMOTE, last)
    assert world.aliases()["champion"] == "2"
    assert kinds(world) == ["verdict", "approval", "approval", "approval", "promoted"]


def test_steps_refuse_without_the_evidence_they_build_on(better: World) -> None:
    bench = better.bench()
    last = bench.calendar.last
    for step, missing in (
        (Step.AGGREGATE_DAY, "gates/shadow"),
        (Step.CHECK_HEALTH, "gates/shadow"),
        (Step.ANALYZE, "gates/shadow"),
        (Step.DECIDE, "gates/shadow"),
        (Step.PROMOTE, "has no verdict"),
    ):
        with pytest.raises(EvidenceMissing, match=missing):
            run_step(bench, step, last)
    with pytest.raises(LifecycleError, match="analyze is not due on 2026-10-05"):
        run_step(bench, Step.ANALYZE, bench.calendar.first.replace(day=5))
    with pytest.raises(LifecycleError, match="2027-01-01 is not one of its days"):
        due(bench, last.replace(year=2027, month=1, day=1))


def test_a_changed_file_is_refused_once_the_plan_is_frozen(better: World) -> None:
    better.run()
    metrics = spec_of()["metrics"]
    metrics["returned"]["mde"] = {"relative": 0.2}
    better.write(metrics=metrics)
    with pytest.raises(SpecFrozen, match=r"metrics.returned.mde.relative was 0.12 and is 0.2"):
        better.run()


def test_a_challenger_that_moved_since_the_shadow_is_refused(better: World) -> None:
    bench = better.bench()
    for outcome in run_through(bench, bench.calendar.shadow.last):  # type: ignore[union-attr]
        assert outcome.step is Step.VALIDATE_SHADOW_LOG
    bench.registry._client.set_registered_model_alias("churn", "challenger", "3")  # type: ignore[union-attr]
    better.write(owner="somebody-else")
    with pytest.raises(RegistryMoved, match="its evidence is about versions"):
        better.run()


def test_stopped_experiment_skips_everything(better: World) -> None:
    promotion.stop(better.bench(), reason="the feature was cancelled", now=NOON)
    with pytest.raises(ExperimentStopped, match="the feature was cancelled"):
        better.run()
    assert [entry.facts["reason"] for entry in Ledger(better.bench().settings.ledger_file).entries()] == [
        "the feature was cancelled"
    ]


def test_restated_day_is_noticed_at_the_gate(tmp_path: Path, registry_template: Path) -> None:
    """A/A failed on a skewed log; the corrected logs are read when the gate is run again."""
    world = world_at(tmp_path, registry_template, BETTER.model_copy(update={"skew": 0.2, "skew_phase": "aa"}))
    with pytest.raises(GateStopped, match="the aa gate says fail"):
        world.run()
    world.draw(BETTER)
    bench = world.bench()
    assert bench.calendar.aa is not None
    run_step(bench, Step.AA_CHECK, bench.calendar.aa.last)
    world.run()
    assert verdict_of(world).decision is Decision.PROMOTE
    assert world.bench().store.get("receipt", Receipt, step="promote").promoted == "2"
