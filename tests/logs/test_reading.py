from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.errors import ContractBroken, DataError
from abflow.logs.layout import DayLog, day_log
from abflow.logs.reading import as_text, connection, open_day, reading, require_columns, utc
from abflow.logs.resources import Resources

DAY = date(2026, 10, 1)
ROWS: list[dict[str, Any]] = [
    {"timestamp": "2026-10-01 00:00:00.000001", "user_id": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "value": 1.5},
    {"timestamp": "2026-10-01 23:59:59.999999", "user_id": 'it\'s; \u00e4, "quoted"', "value": None},
]


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with connection(Resources(threads=1)) as opened:
        yield opened


def logged(tmp_path: Path, name: str, rows: list[dict[str, Any]] = ROWS) -> DayLog:
    """The rows as one file of a day, in the format that its name says."""
    place = tmp_path / f"date={DAY}"
    place.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if name.endswith(".jsonl.gz"):
        (place / name).write_bytes(gzip.compress(text.encode()))
    else:
        source = place / "source.jsonl"
        source.write_text(text)
        if name.endswith(".jsonl"):
            source.rename(place / name)
        else:
            types = "{timestamp: 'timestamp', user_id: 'varchar', value: 'double'}"
            read = f"read_json('{source}', columns = {types}, hive_partitioning = false)"
            form = "parquet" if name.endswith(".parquet") else "csv"
            duckdb.execute(f"copy (from {read}) to '{place / name}' (format {form})")
            source.unlink()
    return day_log("outcomes", tmp_path, DAY)


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.csv", "a.csv.gz"])
@pytest.mark.parametrize("as_json", [True, False])
def test_every_format_gives_the_same_rows(
    name: str, as_json: bool, db: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = logged(tmp_path, name)
    columns = open_day(db, log, view="day", as_json=as_json)
    assert list(columns) == ["timestamp", "user_id", "value"]
    got = db.execute(
        f"select {utc('timestamp', columns['timestamp'], log)}, {as_text('user_id', columns['user_id'])}, "
        f"try_cast({as_text('value', columns['value'])} as double) from day"
    ).fetchall()
    assert got == [(datetime.fromisoformat(row["timestamp"]), row["user_id"], row["value"]) for row in ROWS]


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01T12:00:00",
        "2026-10-01 12:00:00",
        "2026-10-01T12:00:00Z",
        "2026-10-01T12:00:00+00:00",
        "2026-10-01T14:00:00+02:00",
        "2026-10-01 06:30:00-05:30",
        "2026-10-02T02:00:00.000000+14:00",
    ],
)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_text_becomes_the_same_moment_in_utc(
    text: str, kind: str, db: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    place = tmp_path / f"date={DAY}"
    place.mkdir()
    content = json.dumps({"timestamp": text}) + "\n" if kind == "jsonl" else f"timestamp,x\n{text},1\n"
    (place / f"a.{kind}").write_text(content)
    log = day_log("outcomes", tmp_path, DAY)
    for as_json in (True, False):
        columns = open_day(db, log, view="day", as_json=as_json)
        got = db.execute(f"select {utc('timestamp', columns['timestamp'], log)} from day").fetchall()
        assert got == [(datetime(2026, 10, 1, 12),)]  # noqa: DTZ001  a UTC time without zone is what is promised


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("timestamp '2026-10-01 12:00'", datetime(2026, 10, 1, 12)),  # noqa: DTZ001
        ("timestamp_ns '2026-10-01 12:00'", datetime(2026, 10, 1, 12)),  # noqa: DTZ001
        ("timestamptz '2026-10-01 12:00+02:00'", datetime(2026, 10, 1, 10)),  # noqa: DTZ001
        ("date '2026-10-01'", datetime(2026, 10, 1)),  # noqa: DTZ001
        ("'noon'", None),
    ],
)
def test_typed_times_become_utc(
    typed: str, read: datetime | None, db: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = typed_log(db, tmp_path, typed)
    columns = open_day(db, log, view="day")
    assert db.execute(f"select {utc('timestamp', columns['timestamp'], log)} from day").fetchall() == [(read,)]


def typed_log(db: duckdb.DuckDBPyConnection, tmp_path: Path, value: str) -> DayLog:
    place = tmp_path / f"date={DAY}"
    place.mkdir()
    db.execute(f"copy (select {value} as timestamp) to '{place / 'a.parquet'}' (format parquet)")
    return day_log("outcomes", tmp_path, DAY)


def test_files_of_a_day_may_differ_in_their_columns(db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    logged(tmp_path, "a.jsonl", [{"user_id": "u"}])
    log = logged(tmp_path, "b.jsonl", [{"error": "late", "user_id": "v"}])
    assert set(open_day(db, log, view="day")) == {"user_id", "error"}
    assert db.execute("select user_id, error from day order by user_id").fetchall() == [("u", None), ("v", "late")]


def test_a_truncated_parquet_file_is_named(db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    logged(tmp_path, "a.parquet")
    log = logged(tmp_path, "b.parquet")
    cut(log, 1)
    with pytest.raises(DataError, match=r"'outcomes', day 2026-10-01: cannot be read\. .*b\.parquet.*whole"):
        open_day(db, log, view="day")


def test_a_file_that_is_not_what_its_name_says_is_named(db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = logged(tmp_path, "a.parquet")
    Path(log.files[0].path).write_text("timestamp,user_id\n")
    with pytest.raises(DataError, match=r"cannot be read\. .*a\.parquet"):
        open_day(db, log, view="day")


def test_a_page_of_parquet_that_is_damaged_is_named(db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = [{"timestamp": "2026-10-01", "user_id": f"user {n * n}", "value": n} for n in range(5000)]
    log = logged(tmp_path, "a.parquet", rows)
    file = Path(log.files[0].path)
    content = bytearray(file.read_bytes())
    content[2000:6000] = bytes(4000)
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"'outcomes', day 2026-10-01: cannot be read\. \S*a\.parquet: "):
        count_users(db, log)


def test_a_lack_of_room_is_not_blamed_on_the_files(tmp_path: Path) -> None:
    log = logged(tmp_path, "a.parquet")
    no_room = Resources(threads=1, memory_limit="10MB", spill_folder=tmp_path / "missing" / "folder")
    with (
        connection(no_room) as db,
        pytest.raises(DataError, match=r"Each file of \S* can be read by itself; give DuckDB more room"),
        reading(log),
    ):
        db.execute("create table big as select repeat('x', 1000) || range as x from range(1000000)")


def test_a_mistake_of_ours_is_not_blamed_on_the_files(db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = logged(tmp_path, "a.parquet")
    with pytest.raises(duckdb.BinderException), reading(log):
        db.execute("select no_such_column from (select 1 as a)")


@pytest.mark.parametrize("broken", ['{"timestamp": "2026-10-01", "user_id": ', "not json", '{"a": 1}}'])
def test_a_bad_line_of_jsonl_is_named(broken: str, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    logged(tmp_path, "a.jsonl")
    log = logged(tmp_path, "b.jsonl", ROWS * 2)
    file = Path(log.files[1].path)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:2], broken, *lines[2:]]) + "\n")
    with pytest.raises(DataError, match=r"b\.jsonl, line 3: not a JSON object"):
        count_users(db, log)


def test_a_compressed_file_that_was_cut_is_named(db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = logged(tmp_path, "a.jsonl.gz", ROWS * 500)
    cut(log, 0)
    with pytest.raises(DataError, match=r"a\.jsonl\.gz"):
        count_users(db, log)


def cut(log: DayLog, place: int) -> None:
    """Leave only the first half of a file."""
    file = Path(log.files[place].path)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def count_users(db: duckdb.DuckDBPyConnection, log: DayLog) -> int:
    """Read the whole day, as the steps do: a file may also break off after its columns are known."""
    with reading(log):
        open_day(db, log, view="day", as_json=True)
        (count,) = db.execute("select count(hash(user_id)) from day").fetchall()[0]
    return int(count)


def test_missing_columns_are_told_with_who_needs_them(db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = logged(tmp_path, "a.jsonl")
    columns = open_day(db, log, view="day")
    require_columns(log, columns, {"value": "metric revenue"})
    with pytest.raises(
        ContractBroken, match=r"no column amount \(needed by metric revenue\); it has timestamp, user_id"
    ):
        require_columns(log, columns, {"amount": "metric revenue", "value": "another"})
