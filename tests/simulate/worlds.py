"""Small experiments to simulate, and eyes to look at the logs with."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from abflow.simulate.truth import Truth
from abflow.spec.experiment import ExperimentSpec

CONVERTED = {
    "role": "primary",
    "kind": "proportion",
    "event": "purchase",
    "window_days": 3,
    "mde": {"relative": 0.05},
}
REVENUE = {
    "role": "guardrail",
    "kind": "mean",
    "event": "purchase",
    "value": "value",
    "window_days": 3,
    "margin": {"relative": -0.02},
}
SHADOW = {"start": date(2026, 10, 1), "days": 2}
AA = {"enroll_days": 3, "days": 5}
TEST = {"enroll_days": 7, "days": 10, "why": "small enough for a test"}

IN_TEST = "timestamp >= timestamp '2026-10-08'"

# Nothing goes wrong on the way into the logs.
CLEAN: dict[str, Any] = {"late_rate": 0.0, "duplicate_rate": 0.0, "error_rate": 0.0}


def spec_of(**changes: Any) -> ExperimentSpec:
    """An experiment of 2 shadow, 5 A/A and 10 test days, changed as told."""
    fields: dict[str, Any] = {
        "experiment": "ranker",
        "hypothesis": "the new ranker sells more",
        "owner": "shop",
        "model": "ranker",
        "variants": {
            "control": {"version": "@champion", "weight": 0.5},
            "treatment": {"version": "@challenger", "weight": 0.5},
        },
        "unit": "user_id",
        "phases": {"shadow": SHADOW, "aa": AA, "test": TEST},
        "logs": {"shadow": "shadow", "exposures": "exposures", "outcomes": "outcomes"},
        "metrics": {"converted": CONVERTED, "revenue": REVENUE},
    }
    return ExperimentSpec.model_validate(fields | changes)


def truth_of(**changes: Any) -> Truth:
    """A small world without mishaps, changed as told."""
    return Truth.model_validate({"units_per_day": 300.0, **CLEAN, **changes})


def ask(root: Path, question: str, ending: str = "parquet") -> list[tuple[Any, ...]]:
    """The answer to a question about shadow, exposures and outcomes; `day` is the day of the file."""
    with duckdb.connect() as connection:
        for log in ("shadow", "exposures", "outcomes"):
            files = root / log / "*" / f"part-0.{ending}"
            if list(root.glob(f"{log}/*/part-0.{ending}")):
                read = {"parquet": "read_parquet", "jsonl": "read_json", "csv": "read_csv"}[ending]
                connection.execute(
                    f"create view {log} as select * exclude (date), date::date as day "
                    f"from {read}('{files}', hive_partitioning = true)"
                )
        return connection.execute(question).fetchall()


def number(root: Path, question: str) -> float:
    """The answer to a question that has one number as answer."""
    return float(ask(root, question)[0][0])


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def near(found: float, rate: float, n: float) -> bool:
    """Whether a share of n is within 4.5 standard errors of the rate it was drawn with."""
    return bool(abs(found - rate) < 4.5 * math.sqrt(rate * (1 - rate) / n))
