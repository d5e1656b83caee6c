"""Broken input: one error that names the place, and store and registry as they were."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import duckdb
import pytest

from abflow.errors import ContractBroken, DataError, RegistryError, RegistryUnreachable, SettingsError
from abflow.lifecycle.bench import open_bench
from abflow.lifecycle.steps import run_step, run_through
from abflow.settings import load_settings
from abflow.spec.calendar import Step
from tests.lifecycle.world import EQUAL, NOON, World, spec_of, world_at


@pytest.fixture
def ready(tmp_path: Path, registry_template: Path) -> World:
    """An experiment whose shadow days are done; the first A/A day comes next."""
    world = world_at(tmp_path, registry_template, EQUAL.model_copy(update={"units_per_day": 300.0}))
    bench = world.bench()
    assert bench.calendar.shadow is not None
    list(run_through(bench, bench.calendar.shadow.last, clock=lambda: NOON))
    return world


def first_day(world: World) -> Path:
    aa = world.bench().calendar.aa
    assert aa is not None
    return world.root / "logs" / "exposures" / f"date={aa.start}"


def outcomes_of_first_day(world: World) -> Path:
    return world.root / "logs" / "outcomes" / first_day(world).name


def aggregate(world: World) -> str:
    aa = world.bench().calendar.aa
    assert aa is not None
    return run_step(world.bench(), Step.AGGREGATE_DAY, aa.start).sentence


def refused(world: World, kind: type[Exception], match: str, *, whole: str | None = None) -> None:
    """The step raises, and leaves store and registry as they were, but for the other log's `whole` partition."""
    before, aliases = world.store_bytes(but=()), world.aliases()
    with pytest.raises(kind, match=match):
        aggregate(world)
    after = world.store_bytes(but=())
    new = {file: after.pop(file) for file in sorted(after.keys() - before.keys())}
    assert after == before
    place = f"unit_day/log={whole}/date={first_day(world).name.removeprefix('date=')}"
    assert {file.rpartition("/")[0] for file in new} == ({place} if whole else set())
    assert whole is None or f"{place}/manifest.json" in new
    assert world.aliases() == aliases


def rewrite(file: Path, query: str) -> None:
    """Replace a Parquet file by a query over it."""
    aside = file.with_suffix(".aside")
    duckdb.connect().execute(f"copy ({query.format(file=file)}) to '{aside}' (format parquet)")
    aside.replace(file)


def test_missing_day(ready: World) -> None:
    shutil.rmtree(first_day(ready))
    refused(ready, DataError, r"log 'exposures' has no day 2026-10-03: there is no folder .*date=2026-10-03")


def test_empty_day(ready: World) -> None:
    rewrite(first_day(ready) / "part-0.parquet", "select * from '{file}' where false")
    refused(ready, DataError, r"has no exposure of short .* although units enter the aa phase on this day")


def test_folder_without_files(ready: World) -> None:
    (first_day(ready) / "part-0.parquet").unlink()
    refused(ready, DataError, "log 'exposures' has an empty day")


def test_truncated_parquet(ready: World) -> None:
    file = first_day(ready) / "part-0.parquet"
    file.write_bytes(file.read_bytes()[:2000])
    refused(ready, DataError, r"day 2026-10-03: cannot be read. \S*part-0.parquet: .*Write the file again")


def test_line_that_is_not_json(ready: World) -> None:
    folder = outcomes_of_first_day(ready)
    (folder / "part-0.parquet").unlink()
    lines = ['{"timestamp": "2026-10-03T00:00:00Z", "user_id": "u1", "event_type": "session", "value": 1}'] * 3
    lines[1] = '{"timestamp": "2026-10-03T00:00:00Z", "user_id'
    (folder / "part-0.jsonl").write_text("\n".join(lines), encoding="utf-8")
    refused(ready, DataError, r"part-0.jsonl, line 2: not a JSON object", whole="exposures")


def test_metric_on_a_missing_column(ready: World) -> None:
    metrics = spec_of()["metrics"]
    metrics["revenue"]["value"] = "net_amount"
    ready.write(metrics=metrics)
    with pytest.raises(
        ContractBroken, match=r"has no column net_amount \(needed by metric revenue\); it has timestamp"
    ):
        aggregate(ready)
    logs = {place.name for place in (ready.bench().store.folder / "unit_day").iterdir()}
    assert logs == {"log=exposures"}


def test_unknown_model(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, EQUAL.model_copy(update={"units_per_day": 50.0}), model="chrun")
    with pytest.raises(RegistryError, match="has no registered model 'chrun'; register it, or correct `model`"):
        world.run()
    assert world.store_bytes(but=()) == {}


def test_unknown_alias(tmp_path: Path, registry_template: Path) -> None:
    variants = spec_of()["variants"]
    variants["treatment"]["version"] = "@chalenger"
    world = world_at(tmp_path, registry_template, EQUAL.model_copy(update={"units_per_day": 50.0}), variants=variants)
    with pytest.raises(RegistryError, match=r"model 'churn' has no alias '@chalenger' \(it has @challenger -> 2"):
        world.run()


def test_mlflow_that_does_not_answer_fails_within_seconds(ready: World) -> None:
    before = ready.store_bytes(but=())
    (ready.bench().store.folder / "blueprint.json").unlink()
    settings = load_settings(root=ready.root, mlflow_tracking_uri="http://127.0.0.1:9", threads=1)
    bench = open_bench("short", settings)
    assert bench.calendar.aa is not None
    began = time.monotonic()
    with pytest.raises(RegistryUnreachable, match=r"MLflow at http://127.0.0.1:9 does not answer"):
        run_step(bench, Step.AGGREGATE_DAY, bench.calendar.aa.start)
    assert time.monotonic() - began < 30  # MLflow's own patience is four minutes
    assert ready.store_bytes(but=()) == {name: value for name, value in before.items() if name != "blueprint.json"}


def test_model_without_mlflow(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, EQUAL.model_copy(update={"units_per_day": 50.0}))
    world.mlflow = False
    with pytest.raises(SettingsError, match="names model 'churn', but nothing says where MLflow is"):
        world.run()
