from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.logs.layout import day_log
from abflow.logs.rows import first_without

DAY = date(2026, 10, 1)
Row = dict[str, Any]


def jsonl(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def csv(rows: Sequence[Row]) -> bytes:
    lines = [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
    return "\n".join([",".join(rows[0]), *lines]).encode()


@pytest.mark.parametrize(("kind", "write"), [("jsonl", jsonl), ("csv", csv)])
def test_the_first_row_without_a_value_is_named(
    kind: str, write: Callable[[Sequence[Row]], bytes], tmp_path: Path
) -> None:
    good: Row = {"timestamp": "2026-10-01T00:00:00Z", "user_id": "u", "experiment_id": "mine"}
    bad = [
        good,
        good | {"experiment_id": "other", "user_id": None},
        good | {"user_id": None},
        good | {"timestamp": "noon"},
    ]
    place = tmp_path / f"date={DAY}"
    place.mkdir()
    (place / f"a.{kind}").write_bytes(write([good] * 3))
    (place / f"b.{kind}").write_bytes(write(bad))
    log = day_log("exposures", tmp_path, DAY)
    assert first_without(log, "user_id") == f"{place}/b.{kind}, row 2"
    assert first_without(log, "user_id", only=("experiment_id", "mine")) == f"{place}/b.{kind}, row 3"
    assert first_without(log, "timestamp") == f"{place}/b.{kind}, row 4"
    assert first_without(log, "experiment_id") is None
    assert first_without(log, "variant") == f"{place}/a.{kind}, row 1"
    assert first_without(log, "user_id", only=("model", "7")) is None


def test_rows_are_counted_as_they_stand_in_the_file(tmp_path: Path) -> None:
    place = tmp_path / f"date={DAY}"
    place.mkdir()
    rows = "select case when range <> 150000 then range end as user_id from range(200000)"
    duckdb.execute(f"copy ({rows}) to '{place}/a.parquet' (format parquet, row_group_size 2048)")
    log = day_log("exposures", tmp_path, DAY, columns={"unit": "user_id"})
    assert first_without(log, "unit") == f"{place}/a.parquet, row 150001"


def test_rows_of_other_days_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("timestamp,user_id\n2026-09-30,\n2026-10-01,u\n2026-10-01,\n")
    assert first_without(day_log("exposures", tmp_path / "all.csv", DAY), "user_id") == f"{tmp_path}/all.csv, row 3"
