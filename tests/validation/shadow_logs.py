"""Small shadow logs for the tests of this folder, written in any format."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from abflow.logs.layout import DayLog, log_of_files

DAY = date(2026, 10, 1)
Row = dict[str, Any]


def sound_rows(n: int = 40) -> list[Row]:
    """Rows of a log that keeps its contract: every tenth call fails."""
    start = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    return [
        {
            "timestamp": (start + timedelta(seconds=60 * i % 86_400)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "request_id": f"r{i}",
            "production_prediction": i / 4,
            "production_latency_ms": 20.0 + i,
            "shadow_prediction": None if i % 10 == 9 else i / 4 + 0.25,
            "shadow_latency_ms": -1 if i % 10 == 9 else 22.0 + i,
            "shadow_error": "timeout" if i % 10 == 9 else None,
            "user_id": f"u{i % 20}",
        }
        for i in range(n)
    ]


def day_of(files: Sequence[Path], day: date = DAY) -> DayLog:
    """The files as a day of the shadow log."""
    return log_of_files("shadow", day, files)


def write_jsonl(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows)
    return path


def write_parquet(path: Path, rows: Sequence[Row]) -> Path:
    """Rows with the types a typed writer would choose."""
    source = write_jsonl(path.with_suffix(".source.jsonl"), rows)
    with duckdb.connect(":memory:") as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"copy (select * from read_json('{source}', sample_size = -1)) to '{path}' (format parquet)")
    source.unlink()
    return path


WRITERS = {"parquet": write_parquet, "jsonl": write_jsonl, "csv": write_csv}
