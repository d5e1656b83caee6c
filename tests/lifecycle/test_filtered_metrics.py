"""Metrics of some rows only, from logs to the page."""

from __future__ import annotations

from pathlib import Path

from abflow.analysis.readout import Readout, Word
from abflow.lifecycle.steps import run_through
from abflow.stats.result import Estimate
from tests.lifecycle.world import BETTER, NOON, world_at

POPULAR = ["item-000", "item-001", "item-002"]
SEEN = {"kind": "count", "event": "session", "window_days": 1}
FILTERED = {
    "on_popular": SEEN | {"role": "secondary", "where": {"item_id": POPULAR}},
    "everywhere": SEEN | {"role": "secondary"},
    "on_misspelt": SEEN | {"role": "secondary", "where": {"item_id": "popular"}},
    "own_latency": {
        "role": "guardrail",
        "kind": "quantile",
        "value": "latency_ms",
        "where": {"fallback": False},
        "q": 0.5,
        "direction": "decrease",
        "margin": {"relative": 0.2},
    },
}
WORDS = "where item_id = item-000 or item-001 or item-002"


def test_a_filtered_metric_is_hidden_until_the_cut_off_and_says_then_what_it_reads(
    tmp_path: Path, registry_template: Path
) -> None:
    world = world_at(tmp_path, registry_template, BETTER)
    world.write(metrics=world.plain["metrics"] | FILTERED)
    bench = world.bench()
    *before, _ = bench.calendar.test.days_through(bench.calendar.last)
    list(run_through(bench, before[-1], clock=lambda: NOON))
    store = bench.store
    assert store.find("readout", Readout) is None
    assert not (store.folder / "tables").exists()
    shown = [path for path in (store.folder / "health").rglob("*") if path.is_file()]
    shown += store.folder.glob("*.html")
    assert len(shown) >= len(before)
    for path in shown:
        assert not [name for name in FILTERED if name in path.read_text(encoding="utf-8")], path

    world.run()
    readout = store.get("readout", Readout, step="analyze")
    assert {name: readout.of(name, "treatment").word for name in ("on_popular", "own_latency", "error_rate")} == {
        "on_popular": Word.BETTER,
        "own_latency": Word.SAFE,
        "error_rate": Word.SAFE,
    }
    popular, everywhere = (readout.of(name, "treatment") for name in ("on_popular", "everywhere"))
    assert 0 < popular.control.mean < everywhere.control.mean
    assert not isinstance(readout.of("on_misspelt", "treatment").effect, Estimate)
    rows = {each.event: each.rows for each in readout.attribution}
    assert rows["session where item_id = popular"] == 0 < rows[f"session {WORDS}"] < rows["session"]
    assert [check.status for check in readout.checks if check.name == "outcome log"] == ["pass"]
    page = (store.folder / "scorecard.html").read_text(encoding="utf-8")
    assert f"on_popular<small>{WORDS}</small>" in page
    assert "own_latency<small>where fallback = false</small>" in page
