"""Worlds whose logs are written again: a test of four days in which the treatment wins, and one in which none does."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from abflow.analysis.verdict import Verdict
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.restated import catch_up
from abflow.lifecycle.steps import due, run_step, run_through
from abflow.simulate.truth import Truth
from abflow.spec.calendar import Step
from tests.lifecycle.world import EVENTS, NOON, World, world_at

BETTER = Truth(units_per_day=600, events=EVENTS, effects={"returned": {"treatment": 0.5}})
EVEN = BETTER.model_copy(update={"effects": {}})
ONLY_TEST: dict[str, Any] = {
    "phases": {
        "shadow": {"skip": "nothing is mirrored"},
        "aa": {"skip": "restated days are tested here"},
        "test": {"start": "2026-10-01", "enroll_days": 3, "days": 4, "why": "a short experiment for the tests"},
    },
    "sizing": {"skip": "restated days are tested here"},
}
NO_MODEL: dict[str, Any] = {"model": None, "variants": {"control": {"weight": 1}, "treatment": {"weight": 1}}}
SKEWED = "select * from '{file}' where variant = 'control' or hash(user_id) % 2 = 0"
LATER = (2, 3, 4)  # with these days of the even world the winner is a winner no longer


def project(root: Path, truth: Truth, **changes: Any) -> World:
    """A world without a model and without MLflow."""
    world = World(root, mlflow=False)
    world.write(**ONLY_TEST | NO_MODEL | changes)
    world.draw(truth)
    return world


def with_model(root: Path, registry: Path, truth: Truth, **changes: Any) -> World:
    """A world whose winner is promoted in a registry."""
    return world_at(root, registry, truth, **ONLY_TEST | changes)


def day(number: int) -> date:
    """The first, second, ... day of the test."""
    return date(2026, 10, 1) + timedelta(days=number - 1)


def log_file(world: World, log: str, on: date) -> Path:
    """A day's only file."""
    return world.root / "logs" / log / f"date={on}" / "part-0.parquet"


def restate(world: World, other: World, *numbers: int, log: str = "outcomes") -> dict[Path, bytes]:
    """Replace a log's days by those of another world; returns what they were."""
    before = {}
    for number in numbers:
        file = log_file(world, log, day(number))
        before[file] = file.read_bytes()
        shutil.copy(log_file(other, log, day(number)), file)
    return before


def write_back(before: dict[Path, bytes]) -> None:
    """Make files what they were."""
    for file, content in before.items():
        file.write_bytes(content)


def rewrite(file: Path, query: str) -> None:
    """Replace a Parquet file by a query over it."""
    aside = file.with_suffix(".aside")
    duckdb.connect().execute(f"copy ({query.format(file=file)}) to '{aside}' (format parquet)")
    aside.replace(file)


def bench_of(world: World, *, pages: bool = False) -> Bench:
    """The experiment, opened anew; most stories need no scorecard, which takes longer than all the rest."""
    return replace(world.bench(), pages=pages)


def run(world: World, through: int | None = None, *, pages: bool = False) -> list[str]:
    """Run the lifecycle up to a day of the test."""
    last = day(through) if through else None
    return [done.sentence for done in run_through(bench_of(world, pages=pages), last, clock=lambda: NOON)]


def run_day(world: World, number: int) -> list[str]:
    """Run the steps of one day, as Airflow does."""
    bench = bench_of(world)
    return [run_step(bench, step, day(number), clock=lambda: NOON).sentence for step in due(bench, day(number))]


def aggregate(world: World, number: int) -> str:
    """Run the first step of a day, as clearing it in Airflow does."""
    return run_step(bench_of(world), Step.AGGREGATE_DAY, day(number), clock=lambda: NOON).sentence


def recheck(world: World, *, pages: bool = False) -> str:
    """Look for restated days, as `abflow recheck` does."""
    return catch_up(bench_of(world, pages=pages), now=NOON)


def verdict_of(world: World) -> Verdict:
    """The newest verdict."""
    return world.bench().store.get("verdict", Verdict, step="decide")


def kinds(world: World) -> list[str]:
    """What the ledger holds."""
    return [entry.kind for entry in world.bench().ledger.entries()]


def differing(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Names of the files that are others than before; new ones do not count."""
    return {name for name in before if after.get(name) != before[name]}
