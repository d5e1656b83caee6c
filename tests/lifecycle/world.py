"""A small world for the lifecycle: an experiment of twelve days, its logs, and a real MLflow on SQLite."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from abflow.lifecycle.bench import Bench, open_bench
from abflow.lifecycle.steps import Outcome, run_through
from abflow.settings import load_settings
from abflow.simulate.simulation import simulate
from abflow.simulate.truth import EventTruth, Truth

NAME = "short"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVENTS = {
    "session": EventTruth(share=0.6, per_day=0.6, value=None),
    "purchase": EventTruth(share=0.5, per_day=0.8),
}
EQUAL = Truth(units_per_day=2000, events=EVENTS)
BETTER = Truth(units_per_day=2000, events=EVENTS, effects={"returned": {"treatment": 0.25}})


def spec_of(**changes: Any) -> dict[str, Any]:
    """The experiment as plain data, with top-level fields replaced."""
    plain: dict[str, Any] = {
        "experiment": NAME,
        "hypothesis": "The challenger brings more users back within a day",
        "owner": "growth-ml",
        "model": "churn",
        "variants": {
            "control": {"version": "@champion", "weight": 0.5},
            "treatment": {"version": "@challenger", "weight": 0.5},
        },
        "unit": "user_id",
        "phases": {
            "shadow": {"start": "2026-10-01", "days": 2},
            "aa": {"enroll_days": 3, "days": 4},
            "test": {"enroll_days": 5, "days": 6, "why": "a short experiment for the tests"},
        },
        "logs": {"shadow": "logs/shadow", "exposures": "logs/exposures", "outcomes": "logs/outcomes"},
        "metrics": {
            "returned": {
                "role": "primary",
                "kind": "proportion",
                "event": "session",
                "window_days": 1,
                "mde": {"relative": 0.12},
            },
            "revenue": {
                "role": "guardrail",
                "kind": "mean",
                "event": "purchase",
                "value": "value",
                "window_days": 1,
                "cap": "p99",
                "margin": {"relative": -0.3},
            },
        },
        "promotion": {"approval": "none"},
    }
    return plain | changes


@dataclass
class World:
    """A project folder with one experiment in it."""

    root: Path
    plain: dict[str, Any] = field(default_factory=spec_of)
    mlflow: bool = True

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def file(self) -> Path:
        return self.root / "dags" / "experiments" / f"{self.plain['experiment']}.yaml"

    def write(self, **changes: Any) -> None:
        """Write the experiment file."""
        self.plain = self.plain | changes
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(yaml.safe_dump(self.plain, sort_keys=False), encoding="utf-8")

    def bench(self) -> Bench:
        """The experiment, opened anew as every task does."""
        uri = self.tracking_uri if self.mlflow else None
        return open_bench(self.plain["experiment"], load_settings(root=self.root, mlflow_tracking_uri=uri, threads=1))

    def draw(self, truth: Truth, seed: int = 4) -> None:
        """Write the logs anew."""
        shutil.rmtree(self.root / "logs", ignore_errors=True)
        versions = {name: "1" if name == "control" else "2" for name in self.plain["variants"]}
        simulate(self.bench().spec, truth, seed=seed, root=self.root, versions=versions)

    def run(self) -> list[Outcome]:
        """The whole lifecycle, as `abflow run` does it."""
        return list(run_through(self.bench(), clock=lambda: NOON))

    def aliases(self) -> dict[str, str]:
        """What the registry says now."""
        registry = self.bench().registry
        assert registry is not None
        return registry.aliases("churn")

    def store_bytes(self, *, but: tuple[str, ...] = ("receipt.json",)) -> dict[str, str]:
        """A hash of every file of the experiment's store, by its name."""
        folder = self.bench().store.folder
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in but
        }


def world_at(root: Path, registry: Path, truth: Truth, **changes: Any) -> World:
    """A world whose registry is a copy of a prepared one."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(registry, root / "mlflow.db")
    world = World(root)
    world.write(**changes)
    world.draw(truth)
    return world
