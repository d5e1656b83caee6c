"""One experiment, drawn and lived through."""

from __future__ import annotations

from pathlib import Path

import pytest

from abflow.calibration.lifetime import live_through
from abflow.calibration.whole_lifecycle import MDE, busy_world, short_experiment
from abflow.spec.calendar import GateName

TOO_SMALL = short_experiment(mde=MDE / 2)  # ends at the sizing gate, so it is over soon
WORLD = busy_world(short_experiment())


def test_the_same_seed_lives_the_same_life() -> None:
    first, second, other = (live_through(TOO_SMALL, WORLD, seed=seed) for seed in (3, 3, 4))
    assert first == second
    assert first.end is GateName.SIZING
    assert first.readout is None
    assert first.drawn.rows != other.drawn.rows


def test_a_life_takes_nothing_from_its_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ABFLOW_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ABFLOW_LEDGER", str(tmp_path / "ledger.jsonl"))
    monkeypatch.setenv("ABFLOW_MEMORY_LIMIT", "no size")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert live_through(TOO_SMALL, WORLD, seed=3).end is GateName.SIZING
    assert list(tmp_path.iterdir()) == []
