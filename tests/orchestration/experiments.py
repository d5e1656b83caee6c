"""Experiment files for the DAG factory and for the platform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import load_experiment

SHADOW = {"start": "2026-09-01", "days": 1}
AA = {"enroll_days": 3, "days": 4}
TEST = {"enroll_days": 4, "days": 5, "why": "short, because a real Airflow runs it in a test"}
RETURNED = {
    "role": "primary",
    "kind": "proportion",
    "event": "session",
    "window_days": 1,
    "mde": {"relative": 0.15},
}


def described(name: str, **changes: Any) -> dict[str, Any]:
    """An experiment of 1 shadow, 4 A/A and 5 test days that promotes without asking, changed as told.

    A field that is changed to None is left out.
    """
    fields: dict[str, Any] = {
        "experiment": name,
        "hypothesis": "the new version brings more users back",
        "owner": "growth-ml",
        "model": name,
        "variants": {
            "control": {"version": "@champion", "weight": 1},
            "treatment": {"version": "@challenger", "weight": 1},
        },
        "unit": "user_id",
        "phases": {"shadow": SHADOW, "aa": AA, "test": TEST},
        "logs": {log: f"data/logs/{name}/{log}" for log in ("shadow", "exposures", "outcomes")},
        "metrics": {"returned": RETURNED},
        "promotion": {"approval": "none"},
    }
    return {field: value for field, value in (fields | changes).items() if value is not None}


def write_experiment(folder: Path, name: str, *, file: str | None = None, **changes: Any) -> Path:
    """Write an experiment's file; `file` gives it another name than the experiment's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (file or f"{name}.yaml")
    path.write_text(yaml.safe_dump(described(name, **changes), sort_keys=False))
    return path


def experiment(folder: Path, name: str, **changes: Any) -> ExperimentSpec:
    """Write an experiment's file and read it."""
    return load_experiment(write_experiment(folder, name, **changes))
