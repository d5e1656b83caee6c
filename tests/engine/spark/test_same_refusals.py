"""What DuckDB refuses, Spark refuses in the same words; what only one of them can read is refused as well."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.engine.exposure_day import build_exposure_day
from abflow.engine.outcome_day import build_outcome_day
from abflow.errors import AbflowError, DataError, SettingsError
from abflow.logs.layout import DayLog, day_log
from abflow.logs.resources import Resources
from abflow.spec.experiment import ExperimentSpec
from tests.engine.small_logs import START, Format, Row, at, experiment, exposure, outcome, write_log
from tests.local_spark import MASTER, spark_master

SPEC = experiment()
ON_SPARK = SPEC.model_copy(update={"engine": "spark"})
SHOWN = exposure("u1", "a", at(0))
DONE = outcome("u1", "purchase", at(0))
PURCHASE = '{"timestamp": "2026-03-02 00:00:00", "user_id": "u1", "event_type": "purchase", "value": 1.5}\n'
HEADER = "timestamp,user_id,event_type,value\n"
BOUGHT = "2026-03-02 00:00:00,u1,purchase,1.5\n"


def build(spec: ExperimentSpec, log: DayLog, folder: Path) -> Any:
    step: Callable[..., Any] = build_exposure_day if log.log == "exposures" else build_outcome_day
    return step(spec, log, folder, resources=Resources(threads=1, spark_master=spark_master()))


def refusal(spec: ExperimentSpec, log: DayLog, folder: Path) -> AbflowError:
    with pytest.raises(AbflowError) as caught:
        build(spec, log, folder)
    assert not list(folder.glob(".*")), "nothing of Spark's own is left behind"
    return caught.value


def assert_refused_alike(log: DayLog, folder: Path, words: str) -> None:
    folder.mkdir()
    on_duckdb, on_spark = (refusal(spec, log, folder) for spec in (SPEC, ON_SPARK))
    assert words in str(on_duckdb)
    assert (type(on_spark), str(on_spark)) == (type(on_duckdb), str(on_duckdb))


def outcomes_in(folder: Path, name: str, content: str | bytes) -> DayLog:
    file = folder / "outcomes" / f"date={START}" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return day_log("outcomes", folder / "outcomes", START)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([SHOWN, exposure(None, "a", at(0)), exposure("u", None, None)], "timestamp in 1 rows, user_id in 1 rows"),
        ([SHOWN, SHOWN | {"variant": "c"}], "1 rows of try_it name the variant 'c'"),
        ([SHOWN | {"variant_propensity": "1.5"}], "variant_propensity in 1 rows"),
        ([{name: value for name, value in SHOWN.items() if name != "variant"}], "has no column variant"),
    ],
)
def test_exposures_that_cannot_count(rows: list[Row], words: str, tmp_path: Path) -> None:
    log = day_log("exposures", write_log(tmp_path / "e", {START: rows}), START)
    assert_refused_alike(log, tmp_path / "made", words)


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        (DONE | {"timestamp": "yesterday"}, "jsonl", "timestamp in 1 rows"),
        (DONE | {"value": "much"}, "csv", "value of 1 'purchase' events"),
        (DONE | {"value": None}, "parquet", "value of 1 'purchase' events"),
    ],
)
def test_outcomes_that_cannot_count(row: Row, kind: Format, words: str, tmp_path: Path) -> None:
    if kind == "csv":
        log = outcomes_in(tmp_path, "part.csv", HEADER + BOUGHT + BOUGHT.replace("1.5", "much"))
    else:
        log = day_log("outcomes", write_log(tmp_path / "o", {START: [DONE, row]}, kind), START)
    assert_refused_alike(log, tmp_path / "made", words)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("part.jsonl", PURCHASE + PURCHASE[:40], "part.jsonl, line 2"),
        ("part.jsonl", PURCHASE + "[1]\n", "part.jsonl, line 2"),
        ("part.jsonl", PURCHASE + PURCHASE.strip() + PURCHASE, "part.jsonl, line 2"),
        ("part.csv", HEADER + BOUGHT + "2026-03-02 00:00:00,u1\n", "part.csv, line 3"),
        ("part.csv", HEADER + BOUGHT.strip() + ",1,2\n", "part.csv, line 2"),
        ("part.csv", HEADER.encode() + BOUGHT.encode().replace(b"u1", b"\xff"), "is not UTF-8 text"),
        ("part.jsonl.gz", b"\x1f\x8b\x08\x00", "part.jsonl.gz"),
        ("part.parquet", b"PAR1 and so on", "part.parquet"),
        ("part.jsonl", "", "holds nothing"),
    ],
)
def test_files_that_are_broken(name: str, content: str | bytes, words: str, tmp_path: Path) -> None:
    assert_refused_alike(outcomes_in(tmp_path, name, content), tmp_path / "made", words)


def test_a_time_must_be_of_a_type_that_can_be_one(tmp_path: Path) -> None:
    file = tmp_path / "o" / f"date={START}" / "part.parquet"
    file.parent.mkdir(parents=True)
    with duckdb.connect() as db:
        db.execute(f"copy (select true as timestamp, 'u' as user_id, 'visit' as event_type, 1.5 as value) to '{file}'")
    log = day_log("outcomes", tmp_path / "o", START)
    assert_refused_alike(log, tmp_path / "made", "timestamp has type BOOLEAN")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("part.jsonl", PURCHASE.replace("1.5", "NaN"), "docs/guides/spark.md"),
        ("part.csv", HEADER + BOUGHT.replace("u1", ' "u1"'), "spaces before its quotes"),
    ],
)
def test_what_spark_would_read_in_another_way(name: str, content: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        build(ON_SPARK, outcomes_in(tmp_path, name, content), tmp_path)


def test_a_parquet_uuid_names_its_column(tmp_path: Path) -> None:
    file = tmp_path / "o" / f"date={START}" / "part.parquet"
    file.parent.mkdir(parents=True)
    with duckdb.connect() as db:
        db.execute(
            f"copy (select timestamp '{START}' as timestamp, uuid() as user_id, 'visit' as event_type, 1.5 as value) "
            f"to '{file}'"
        )
    with pytest.raises(DataError, match=r"part\.parquet: user_id is a Parquet UUID, which Spark cannot read"):
        build(ON_SPARK, day_log("outcomes", tmp_path / "o", START), tmp_path)


def test_files_of_one_day_may_differ_in_their_columns_and_types(tmp_path: Path) -> None:
    """A float that stands for a whole number, a time with a zone, another order, and a name with a wildcard in it."""
    folder = tmp_path / "o" / f"date={START}"
    folder.mkdir(parents=True)
    shapes = [
        f"7 as user_id, timestamp '{START} 01:00:00' as timestamp, 1 as value, 'e1' as event_id",
        f"7.0::double as user_id, timestamptz '{START} 02:00:00+01' as timestamp, 2.5 as value",
        f"'7' as user_id, epoch_ns(timestamp '{START}') as timestamp, 4.0::float as value",
    ]
    with duckdb.connect() as db:
        for number, shape in enumerate(shapes):
            file = folder / f"part {number}[*]{{}}.parquet"
            db.execute(f"copy (select 'purchase' as event_type, {shape}) to '{file}' (format parquet)")
    log = day_log("outcomes", tmp_path / "o", START)
    one, other = (build(spec, log, tmp_path) for spec in (SPEC, ON_SPARK))
    with duckdb.connect() as db:
        rows = [db.execute(f"from '{tmp_path / made.files[0]}' order by all").fetchall() for made in (one, other)]
    assert rows[0] == rows[1]
    assert {row[0] for row in rows[1]} == {"7"}


def test_columns_may_have_other_names_and_lie_inside_others(tmp_path: Path) -> None:
    log = outcomes_in(
        tmp_path,
        "part.jsonl",
        '{"at": 1772409600, "who": {"id": 7.0}, "event_type": "purchase", "value": 1e-05}\n'
        '{"at": 1772496000, "who": {"id": "8"}, "event_type": "purchase", "value": 2}\n',
    )
    columns = {"timestamp": "at", "user_id": "who.id"}
    named = DayLog(log="outcomes", day=START, format=log.format, files=log.files, columns=columns, by_timestamp=True)
    one, other = (build(spec, named, tmp_path) for spec in (SPEC, ON_SPARK))
    with duckdb.connect() as db:
        rows = [db.execute(f"from '{tmp_path / made.files[0]}' order by all").fetchall() for made in (one, other)]
    assert rows[0] == rows[1]
    assert [row[0] for row in rows[1]] == ["7"]


def test_another_spark_than_the_one_that_runs_is_refused(tmp_path: Path) -> None:
    spark_master()
    log = outcomes_in(tmp_path, "part.jsonl", PURCHASE)
    with pytest.raises(SettingsError, match=rf"Spark runs at {MASTER.replace('[', '.').replace(']', '.')} in this"):
        build_outcome_day(ON_SPARK, log, tmp_path, resources=Resources(spark_master="local[1]"))


def test_without_java_the_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    log = outcomes_in(tmp_path, "part.jsonl", PURCHASE)
    with pytest.raises(SettingsError, match=f"needs Java 17 or newer, and JAVA_HOME is {tmp_path}"):
        build_outcome_day(ON_SPARK, log, tmp_path, resources=Resources(spark_master="local[1]"))


def test_the_check_of_the_shadow_log_does_not_mind_pyspark() -> None:
    """Without PySpark's gRPC parts, importing both would end a process that has no file, with exit code 0."""
    code = (
        "from abflow.engine.spark import database\n"
        "from abflow.validation.expectations import _hiding_pyspark\n"
        "with _hiding_pyspark():\n    import great_expectations\n"
        "print('still here', database.__name__)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "still here" in found.stdout


def test_a_log_in_an_object_store_is_refused_by_name(tmp_path: Path) -> None:
    log = outcomes_in(tmp_path, "part.jsonl", PURCHASE)
    away = DayLog(
        log="outcomes",
        day=START,
        format=log.format,
        files=tuple(type(file)(path=f"s3://logs/{file.name}", name=file.name, size=file.size) for file in log.files),
    )
    from abflow.engine.database import database  # noqa: PLC0415  beside the only test that opens one itself
    from abflow.logs.reading import open_day  # noqa: PLC0415

    with (
        database(ON_SPARK, Resources(spark_master=spark_master())) as db,
        pytest.raises(DataError, match="lies in an object store, for which Spark needs a connector"),
    ):
        open_day(db, away, view="day")
