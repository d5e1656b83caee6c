"""What every step costs is said in its log and in the MLflow run, and nowhere in the evidence."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from abflow.errors import DataError, RegistryUnreachable
from abflow.lifecycle.steps import run_step, run_through
from abflow.registry.tracking import MlflowTracking
from abflow.spec.calendar import Step
from tests.lifecycle.restating import BETTER, bench_of, day, log_file, project, run, with_model
from tests.lifecycle.world import NOON, World

MEASURES = {"rows", "bytes", "seconds", "peak_memory"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return project(tmp_path / "world", BETTER)


def test_every_step_says_what_it_cost(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "abflow.lifecycle")
    outcomes = list(run_through(bench_of(world), day(1), clock=lambda: NOON))
    said = [message for message in caplog.messages if message.startswith("Cost of ")]
    assert said == [f"Cost of {done.step} on {done.day}: {done.cost}." for done in outcomes]
    files = [log_file(world, log, day(1)) for log in ("exposures", "outcomes")]
    (aggregated,) = [done.cost for done in outcomes if done.step is Step.AGGREGATE_DAY]
    assert aggregated is not None
    assert aggregated.bytes >= 2 * sum(file.stat().st_size for file in files)
    assert aggregated.seconds > 0
    assert aggregated.peak_memory > 1_000_000


def test_a_step_that_fails_says_so_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    run(world, through=1)
    caplog.set_level(logging.INFO, "abflow.lifecycle")
    log_file(world, "outcomes", day(2)).write_bytes(b"PAR1")
    with pytest.raises(DataError):
        run_step(bench_of(world), Step.AGGREGATE_DAY, day(2))
    assert any(message.startswith("Cost of aggregate_day on 2026-10-02: read ") for message in caplog.messages)


def test_the_run_in_mlflow_holds_the_cost_of_every_step_and_day(tmp_path: Path, registry_template: Path) -> None:
    world = with_model(tmp_path, registry_template, BETTER)
    run(world)
    tracking = world.bench().tracking
    assert tracking is not None
    metrics = {name for name in tracking._client.get_run(tracking.run_id).data.metrics if name.startswith("cost/")}
    done = {"validate_shadow_log", "aggregate_day", "check_health", "aa_check", "sample_size_gate"}
    done |= {"analyze", "decide", "promote"}
    assert metrics == {f"cost/{step}/{measure}" for step in done for measure in MEASURES}
    history = tracking._client.get_metric_history(tracking.run_id, "cost/aggregate_day/seconds")
    assert sorted(point.step for point in history) == [1, 2, 3, 4]
    assert {point.timestamp for point in history} == {int(NOON.timestamp() * 1000)}


def test_a_step_that_is_done_does_not_fail_because_its_cost_could_not_be_written(
    tmp_path: Path, registry_template: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*_: object, **__: object) -> None:
        raise RegistryUnreachable("MLflow does not answer")

    monkeypatch.setattr(MlflowTracking, "cost", down)
    world = with_model(tmp_path, registry_template, BETTER)
    run(world, through=1)
    assert "The cost of aggregate_day on 2026-10-01 was not written: MLflow does not answer" in caplog.messages
