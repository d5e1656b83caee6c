"""The benchmark of the engine runs, and stops when anybody gives other numbers; what it times is not asked here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[1] / "benchmarks" / "engine.py"
SMALL = ["--exposures", "20000", "--users", "2000", "--outcomes", "5000", "--repeats", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--ids"]], ids=["plain", "ids"])
def test_the_day_has_the_same_numbers_whoever_counts_them(tmp_path: Path, more: list[str]) -> None:
    command = [sys.executable, str(ENGINE), "day", *SMALL, *more, "--data", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    table = ended.stdout.partition("targets")[0]
    for contender in ("floor", "floor that keeps", "abflow", "Polars", "tea-tasting", "pandas"):
        assert f"{contender} " in table


@pytest.mark.slow
def test_a_horizon_has_the_same_numbers_as_one_query_over_all_raw_logs(tmp_path: Path) -> None:
    command = [sys.executable, str(ENGINE), "growth", *SMALL, "--days", "6", "--data", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "horizon, CPU of 6 days / 3 days" in ended.stdout
