"""The scorecard is made from whatever the store holds, unless nobody would read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from abflow.lifecycle.page import SCORECARD, write_scorecard
from tests.lifecycle.world import World


def test_a_bench_without_pages_writes_no_scorecard(tmp_path: Path) -> None:
    world = World(tmp_path, mlflow=False)
    world.write(model=None, variants={"control": {"weight": 1}, "treatment": {"weight": 1}})
    bench = world.bench()
    write_scorecard(replace(bench, pages=False))
    assert not (bench.store.folder / SCORECARD).exists()
    write_scorecard(bench)
    assert "<html" in (bench.store.folder / SCORECARD).read_text(encoding="utf-8")
