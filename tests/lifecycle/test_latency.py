"""A quantile as guardrail, from logs to verdict, and the rate of failed calls that comes with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from abflow.analysis.blueprint import Frozen
from abflow.analysis.gates import Gate, GateStatus, Status
from abflow.analysis.readout import Readout, Word
from abflow.analysis.verdict import Decision, Verdict
from abflow.simulate.expected import expected
from abflow.simulate.truth import LatencyTruth, Truth
from abflow.spec.built_in import is_built_in
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.result import Estimate
from tests.lifecycle.world import BETTER, World, spec_of, world_at

LATENCY = {
    "role": "guardrail",
    "kind": "quantile",
    "value": "latency_ms",
    "q": 0.95,
    "window_days": 1,
    "direction": "decrease",
    "margin": {"relative": 0.1},
}
METRICS = spec_of()["metrics"] | {"latency_p95": LATENCY}


def world_of(tmp_path: Path, registry: Path, **rates: object) -> World:
    """A treatment that brings users back, and answers as the rates say."""
    return world_at(tmp_path, registry, BETTER.model_copy(update=rates), metrics=METRICS)


def slower(ratio: float) -> LatencyTruth:
    return LatencyTruth(ratio={"treatment": ratio})


def verdict_of(world: World) -> Verdict:
    return world.bench().store.get("verdict", Verdict, step="decide")


def test_a_better_version_that_answers_as_fast_is_promoted(tmp_path: Path, registry_template: Path) -> None:
    world = world_of(tmp_path, registry_template, latency_ms=slower(1.02))
    world.run()
    store = world.bench().store
    assert verdict_of(world).decision is Decision.PROMOTE
    readout = store.get("readout", Readout, step="analyze")
    for metric in ("latency_p95", "error_rate"):
        assert readout.of(metric, "treatment").word is Word.SAFE
    found = readout.of("latency_p95", "treatment")
    truth: Truth = BETTER.model_copy(update={"latency_ms": slower(1.02)})
    means = expected(world.bench().spec, truth)["latency_p95"]
    assert isinstance(found.effect, Estimate)
    assert found.effect.lower < means["treatment"] - means["control"] < found.effect.upper
    assert found.control.mean == pytest.approx(means["control"], rel=0.02)


def test_the_gates_read_quantiles_and_the_plan_holds_what_is_built_in(tmp_path: Path, registry_template: Path) -> None:
    world = world_of(tmp_path, registry_template)
    world.run()
    store = world.bench().store
    aa = {check.name: check for check in store.get("gates/aa", Gate, step="aa_check").checks}
    for check in ("A/A difference of latency_p95, treatment", "re-randomised latency_p95, treatment"):
        assert aa[check].status in (Status.PASS, Status.WARN)
    sizing = store.get("gates/sizing", Gate, step="sample_size_gate")
    checks = {check.name: check for check in sizing.checks}
    assert sizing.status is GateStatus.PASS
    assert checks["size of latency_p95"].numbers["baseline"] == pytest.approx(182, rel=0.05)
    # Some twenty units of the A/A phase had a failed call: too few to size anything, and no reason to stop.
    assert checks["baseline of error_rate"].status is Status.NOT_CHECKED
    frozen = store.get("frozen", Frozen, step="sample_size_gate")
    assert is_built_in(ExperimentSpec.model_validate(frozen.spec).metrics["error_rate"])
    page = (store.folder / "scorecard.html").read_text(encoding="utf-8")
    assert "built-in guardrail" in page


def test_a_version_that_answers_more_slowly_is_stopped_for_harm(tmp_path: Path, registry_template: Path) -> None:
    world = world_of(tmp_path, registry_template, latency_ms=slower(1.6))
    world.run()
    verdict = verdict_of(world)
    assert (verdict.decision, verdict.rule) == (Decision.STOP, "V2")
    assert "latency_p95 of treatment is worse than the" in verdict.sentence
    assert world.aliases() == {"champion": "1", "challenger": "2"}


def test_a_version_that_is_fast_because_its_slow_calls_fail_is_not_promoted(
    tmp_path: Path, registry_template: Path
) -> None:
    world = world_of(tmp_path, registry_template, latency_ms=slower(0.9), error_ratio={"treatment": 10.0})
    world.run()
    verdict = verdict_of(world)
    assert verdict.decision is not Decision.PROMOTE
    assert "error_rate" in f"{verdict.sentence} {verdict.arms}"
