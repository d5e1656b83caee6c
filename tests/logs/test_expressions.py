from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abflow.logs.expressions import as_id, as_number, as_text, utc, utc_of_text
from abflow.logs.resources import Resources, connection

NOON = datetime(2026, 10, 1, 12)  # noqa: DTZ001  a UTC time without zone is what is promised


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with connection(Resources(threads=1)) as opened:
        yield opened


def type_of(db: duckdb.DuckDBPyConnection, value: str) -> str:
    db.execute(f"create or replace temp view given as select {value} as x")
    return str(db.execute("describe given").fetchall()[0][1])


def only(db: duckdb.DuckDBPyConnection, expression: str | None) -> object:
    assert expression is not None
    return db.execute(f"select {expression} from given").fetchall()[0][0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("7", "7"),
        ("1000000000000000", "1000000000000000"),
        ("9223372036854775807::bigint", "9223372036854775807"),
        ("18446744073709551615::ubigint", "18446744073709551615"),
        ("12345678901234567890123456789::hugeint", "12345678901234567890123456789"),
        ("7::double", "7"),
        ("1e15::double", "1000000000000000"),
        ("9007199254740992::double", "9007199254740992"),
        ("-3::double", "-3"),
        ("-0.0::double", "0"),
        ("16777216::float", "16777216"),
        ("0.5::double", "0.5"),
        ("7.00::decimal(10, 2)", "7"),
        ("7.25::decimal(10, 2)", "7.25"),
        ("12345678901234567890::decimal(20, 0)", "12345678901234567890"),
        ("'007'", "007"),
        ("'1e15'", "1e15"),
        ("'1.0'", "1.0"),
        ("true", "true"),
        ("null::double", None),
        ("'nan'::double", None),
        ("'nan'::float", None),
        ("'inf'::double", "inf"),
    ],
)
def test_an_id_has_the_text_of_its_digits(value: str, text: str | None, db: duckdb.DuckDBPyConnection) -> None:
    assert only(db, as_text("x", type_of(db, value))) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1e15", "1000000000000000"),
        ("1.0", "1"),
        ("7", "7"),
        ("-7.0", "-7"),
        ("0.5", "0.5"),
        ("1000000000000000", "1000000000000000"),
        ("12345678901234567890123", "12345678901234567890123"),
        ('"007"', "007"),
        ('"1e15"', "1e15"),
        ('"1.0"', "1.0"),
        ('"a.b@c.de"', "a.b@c.de"),
        ('"A0EEBC99-9C0B"', "A0EEBC99-9C0B"),
        ("true", "true"),
        ("null", None),
        ("NaN", None),
        ('"NaN"', "NaN"),
        ('""', ""),
    ],
)
def test_an_id_of_json_too(value: str, text: str | None, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"x": {value}, "in": {{"x": {value}}}}}\n')
    db.execute(f"create temp view day as from read_json('{tmp_path}/a.jsonl', columns = {{x: 'JSON', 'in': 'JSON'}})")
    for source in ("x", '"in" -> \'$."x"\''):
        db.execute(f"create or replace temp view given as select {source} as x from day")
        assert only(db, as_text("x", "JSON")) == text


def test_nan_is_no_id_where_the_statistics_of_a_file_do_not_know_of_it(
    db: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """DuckDB believes them, and would leave out a condition that they answer."""
    pq.write_table(pa.table({"x": [math.nan, 1.0]}), tmp_path / "a.parquet")
    found = db.execute(f"select {as_text('x', 'DOUBLE')} from read_parquet('{tmp_path}/a.parquet')").fetchall()
    assert found == [(None,), ("1",)]


@pytest.mark.parametrize("value", ["''", "null::varchar", "'\"\"'::json", "'nan'::double"])
def test_what_is_empty_is_no_id(value: str, db: duckdb.DuckDBPyConnection) -> None:
    assert only(db, as_id("x", type_of(db, value))) is None


@pytest.mark.parametrize("value", ["2.5", "'2.5'", "2.5::double", "'2.5'::json", "'\"2.5\"'::json"])
def test_a_number_is_one_in_every_type(value: str, db: duckdb.DuckDBPyConnection) -> None:
    assert only(db, as_number("x", type_of(db, value))) == 2.5


@pytest.mark.parametrize("value", ["'much'", "'\"much\"'::json", "null::double", "'null'::json"])
def test_what_is_no_number_is_nothing(value: str, db: duckdb.DuckDBPyConnection) -> None:
    assert only(db, as_number("x", type_of(db, value))) is None


@pytest.mark.parametrize(
    "value",
    [
        "timestamp '2026-10-01 12:00'",
        "timestamp_ns '2026-10-01 12:00'",
        "timestamp_ms '2026-10-01 12:00'",
        "timestamptz '2026-10-01 14:00+02:00'",
        "cast('2026-10-01 14:00+02:00' as timestamptz_ns)",
        "'2026-10-01T12:00:00'",
        "'2026-10-01 12:00:00'",
        "'2026-10-01T12:00:00Z'",
        "'2026-10-01T12:00:00.000000+00:00'",
        "'2026-10-01T14:00:00+02:00'",
        "'2026-10-01 06:30:00-05:30'",
        "1790856000",
        "1790856000000",
        "1790856000000000",
        "1790856000000000000",
        "1790856000::uinteger",
        "1790856000::hugeint",
        "1790856000::double",
        "1790856000000::decimal(18, 0)",
        "'1790856000'",
        "'1790856000000'",
        "'1790856000'::json",
        "'1790856000.0'::json",
        "'\"2026-10-01T12:00:00Z\"'::json",
        "'\"1790856000\"'::json",
    ],
)
def test_every_way_to_write_a_moment_is_the_same_moment(value: str, db: duckdb.DuckDBPyConnection) -> None:
    assert only(db, utc("x", type_of(db, value))) == NOON


@pytest.mark.parametrize(
    "value",
    [
        "'noon'",
        "''",
        "'12:00'",
        "'infinity'",
        "'20261001'",
        "'20261001120000'",
        "'1790856000.5'",
        "'-1790856000'",
        "'1e9'",
        "20261001",
        "999999999",
        "4102444800",
        "999999999999",
        "-1790856000",
        "0",
        "1790856000.5::double",
        "'true'::json",
        "'1790856000.5'::json",
        "null::timestamp",
        "null::bigint",
        "99999999999999999999::hugeint",
    ],
)
def test_what_may_mean_another_moment_is_none(value: str, db: duckdb.DuckDBPyConnection) -> None:
    assert only(db, utc("x", type_of(db, value))) is None


@pytest.mark.parametrize("value", ["true", "[1]", "{'a': 1}", "time '12:00'", "'a'::blob"])
def test_a_type_that_is_no_time_has_no_expression(value: str, db: duckdb.DuckDBPyConnection) -> None:
    assert utc("x", type_of(db, value)) is None


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_an_epoch_counts_from_2001_to_2099_in_its_own_unit(unit: int, db: duckdb.DuckDBPyConnection) -> None:
    first, last = 10**9 * unit, 4_102_444_800 * unit - 1
    assert str(only_of(db, first)) == "2001-09-09 01:46:40"
    assert str(only_of(db, last)).startswith("2099-12-31 23:59:59")


def only_of(db: duckdb.DuckDBPyConnection, number: int) -> object:
    typed, text = (
        db.execute(f"select {e} from (select {number}::bigint as x)").fetchall()[0][0]
        for e in (utc("x", "BIGINT"), utc_of_text("x::varchar"))
    )
    assert typed == text
    return typed


@pytest.mark.parametrize(
    "value", ["timestamptz '2026-10-01 12:00:00.123456+00'", "'2026-10-01 12:00:00.123456'", "1790856000123456"]
)
def test_microseconds_survive(value: str, db: duckdb.DuckDBPyConnection) -> None:
    assert only(db, utc("x", type_of(db, value))) == NOON.replace(microsecond=123456)
