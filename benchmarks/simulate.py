"""How fast logs are simulated, beside the least that writing as many rows of Parquet can cost.

Run it with `python benchmarks/simulate.py [units per day]`. The floor is DuckDB copying `range(n)`: one
column of numbers, one file, where a log has up to twelve columns, half of them text, and a file per day.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import duckdb

from abflow.simulate.simulation import simulate
from abflow.simulate.truth import Truth
from abflow.spec.loading import parse_experiment

EXPERIMENT = """
experiment: benchmark
hypothesis: the simulation is no bottleneck
owner: abflow
variants: {control: {weight: 0.5}, treatment: {weight: 0.5}}
unit: user_id
phases:
  shadow: {start: 2026-10-01, days: 3}
  aa: {enroll_days: 7, days: 14}
  test: {enroll_days: 14, days: 21}
logs: {shadow: shadow, exposures: exposures, outcomes: outcomes}
metrics:
  retained: {role: primary, kind: proportion, event: session, window_days: 7, mde: {relative: 0.02}}
  revenue: {role: guardrail, kind: mean, event: purchase, value: value, margin: {relative: -0.02}}
"""


def main(units_per_day: float = 7500) -> None:
    """Print rows per second, and the ratio to the floor in the same run."""
    truth = Truth(units_per_day=units_per_day)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        summary = simulate(parse_experiment(EXPERIMENT), truth, seed=1, root=Path(folder))
        simulated = time.perf_counter() - began
        rows = sum(summary.rows.values())
        floor = _seconds_to_copy(rows, Path(folder) / "floor.parquet")
    lines = [f"{log:>10}: {count:>10,} rows" for log, count in summary.rows.items()]
    lines.append(f"{'simulated':>10}: {rows / simulated:>10,.0f} rows/s ({simulated:.2f} s)")
    lines.append(f"{'floor':>10}: {rows / floor:>10,.0f} rows/s ({floor:.2f} s)")
    lines.append(f"{'ratio':>10}: {simulated / floor:>10.1f}")
    print("\n".join(lines))  # noqa: T201  a benchmark talks to whoever runs it


def _seconds_to_copy(rows: int, path: Path) -> float:
    with duckdb.connect() as connection:
        began = time.perf_counter()
        connection.execute(f"copy (select * from range({rows})) to '{path}' (format parquet)")  # noqa: S608
        return time.perf_counter() - began


if __name__ == "__main__":
    main(*(float(argument) for argument in sys.argv[1:2]))
