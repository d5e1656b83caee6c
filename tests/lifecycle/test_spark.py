"""A whole experiment with `engine: spark`, from its logs to the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Verdict
from abflow.simulate.truth import Truth
from abflow.stats.result import Estimate
from tests.lifecycle.restating import recheck
from tests.lifecycle.world import EVENTS, World, spec_of, world_at
from tests.local_spark import spark_master

METRICS = spec_of()["metrics"]
PLAN = {
    "phases": {
        "shadow": {"skip": "nothing is mirrored"},
        "aa": {"skip": "trusted for years"},
        "test": {"start": "2026-10-05", "enroll_days": 1, "days": 2, "why": "a short experiment for the tests"},
    },
    "sizing": {"skip": "to see both engines run"},
    "metrics": METRICS | {"revenue": METRICS["revenue"] | {"cap": 40.0}},
}
WAITED = {"role": "exploratory", "kind": "mean", "event": "exposures", "value": "latency_ms", "direction": "decrease"}
MUCH_BETTER = Truth(units_per_day=600, events=EVENTS, effects={"returned": {"treatment": 0.4}})


@pytest.mark.slow
def test_an_experiment_on_spark_ends_as_it_does_on_duckdb(
    tmp_path: Path, registry_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABFLOW_SPARK_MASTER", spark_master())
    worlds = [
        world_at(tmp_path / engine, registry_template, MUCH_BETTER, engine=engine, **PLAN)
        for engine in ("duckdb", "spark")
    ]
    for world in worlds:
        world.run()
    on_duckdb, on_spark = (readout_of(world) for world in worlds)
    assert on_spark.units == on_duckdb.units
    assert on_spark.comparisons == on_duckdb.comparisons
    verdicts = [world.bench().store.get("verdict", Verdict, step="decide") for world in worlds]
    assert verdicts[1].rule == verdicts[0].rule
    assert verdicts[1].decision == "promote"
    assert worlds[1].aliases()["champion"] == "2"
    for world in worlds:  # asked afterwards, so that both days are read again
        world.write(metrics=PLAN["metrics"] | {"waited": WAITED})
        assert "other things are asked of their logs now: 2026-10-05 to 2026-10-06" in recheck(world)
    on_duckdb, on_spark = (readout_of(world) for world in worlds)
    assert isinstance(on_spark.of("waited", "treatment").effect, Estimate)
    assert on_spark.comparisons == on_duckdb.comparisons


def readout_of(world: World) -> Readout:
    return world.bench().store.get("readout", Readout, step="analyze")
