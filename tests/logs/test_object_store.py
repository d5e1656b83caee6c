"""The same logs in an object store: S3 over HTTP, and fsspec's memory for what every store has in common."""

from __future__ import annotations

import gzip
import logging
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import duckdb
import fsspec
import pytest
import s3fs
from moto.server import ThreadedMotoServer

from abflow.errors import DataError, LogMissing
from abflow.logs.content import unchanged
from abflow.logs.layout import DayLog, day_log
from abflow.logs.reading import as_text, open_day, reading
from abflow.logs.resources import Resources, connection

DAY = date(2026, 10, 1)
ROWS = 20_000


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A real S3 over HTTP on this machine, in the surroundings that AWS's own tools understand; boto3's resource."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # otherwise every request is a line
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as surroundings:
        surroundings.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        surroundings.setenv("AWS_ACCESS_KEY_ID", "somebody")
        surroundings.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        surroundings.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        yield boto3.resource("s3")
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture
def bucket(s3: Any) -> Any:
    """An empty bucket of its own."""
    return s3.create_bucket(Bucket=f"logs-{uuid.uuid4().hex}")


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with connection(Resources(threads=4)) as opened:
        yield opened


def contents(tmp_path: Path) -> dict[str, bytes]:
    """The same rows in every format."""
    with duckdb.connect() as db:
        db.execute(f"create table rows as select range as n, 'u' || range % 997 as user_id from range({ROWS})")
        for kind, options in (("parquet", "row_group_size 2048"), ("csv", "header"), ("json", "array false")):
            db.execute(f"copy rows to '{tmp_path}/a.{kind}' (format {kind}, {options})")
    plain = {kind: (tmp_path / f"a.{kind}").read_bytes() for kind in ("parquet", "csv", "json")}
    jsonl = plain.pop("json")
    return plain | {"jsonl": jsonl, "csv.gz": gzip.compress(plain["csv"]), "jsonl.gz": gzip.compress(jsonl)}


def summary(db: duckdb.DuckDBPyConnection, log: DayLog) -> tuple[int, int, int]:
    with reading(log):
        columns = open_day(db, log, view="day", as_json=True)
        n, user = (as_text(name, columns[name]) for name in ("n", "user_id"))
        rows = db.execute(f"select count(*), sum(cast({n} as bigint)), count(distinct {user}) from day").fetchall()
    return (int(rows[0][0]), int(rows[0][1]), int(rows[0][2]))


def test_every_format_is_read_where_it_lies(bucket: Any, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for kind, content in contents(tmp_path).items():
        for part in (1, 2):
            bucket.put_object(Key=f"{kind}/exposures/date={DAY}/hour=0{part}/part {part}[x]*?#ä.{kind}", Body=content)
        bucket.put_object(Key=f"{kind}/exposures/date={DAY}/_SUCCESS", Body=b"")
        log = day_log("exposures", f"s3://{bucket.name}/{kind}/exposures", DAY)
        assert [file.name for file in log.files] == [
            f"date={DAY}/hour=0{part}/part {part}[x]*?#ä.{kind}" for part in (1, 2)
        ]
        assert log.folder == f"s3://{bucket.name}/{kind}/exposures/date={DAY}"
        assert summary(db, log) == (2 * ROWS, ROWS * (ROWS - 1), 997)


@pytest.mark.parametrize(
    "location",
    ["log/", "log/date={date}", "log/*", "log/**/*.csv", "log/date={date}/*.csv", "log/d[a]te={date:%Y-%m-%d}/a*"],
)
def test_every_layout_is_found(location: str, bucket: Any) -> None:
    for name in ("log/date=2026-10-01/a.csv", "log/date=2026-10-02/a.csv", "logs/date=2026-10-01/a.csv"):
        bucket.put_object(Key=name, Body=b"a\n1\n")
    log = day_log("exposures", f"s3://{bucket.name}/{location}", DAY)
    assert [file.path for file in log.files] == [f"s3://{bucket.name}/log/date=2026-10-01/a.csv"]


def test_one_object_may_hold_every_day(bucket: Any, db: duckdb.DuckDBPyConnection) -> None:
    bucket.put_object(Key="all.csv", Body=b"timestamp,n,user_id\n2026-10-01,1,a\n2026-10-02,2,b\n2026-10-01,4,b\n")
    log = day_log("exposures", f"s3://{bucket.name}/all.csv", DAY)
    assert log.by_timestamp
    assert summary(db, log) == (2, 5, 2)


def test_empty_objects_that_stand_for_folders_are_no_files(bucket: Any) -> None:
    for key in ("log/", "log/date=2026-10-01/", "log/date=2026-10-01/deep/", "log/date=2026-10-01_$folder$"):
        bucket.put_object(Key=key, Body=b"")
    with pytest.raises(LogMissing, match=rf"empty day: no files in s3://{bucket.name}/log/date=2026-10-01; run again"):
        day_log("exposures", f"s3://{bucket.name}/log", DAY)
    bucket.put_object(Key="log/date=2026-10-01/a.csv", Body=b"a\n1\n")
    assert len(day_log("exposures", f"s3://{bucket.name}/log", DAY).files) == 1  # though it was listed before


def test_what_is_missing_is_told_as_on_a_disk(bucket: Any) -> None:
    with pytest.raises(DataError, match=rf"there is no folder s3://{bucket.name}/nowhere and no such file"):
        day_log("exposures", f"s3://{bucket.name}/nowhere", DAY)
    with pytest.raises(DataError, match="there is no folder s3://no-such-bucket/log and no such file"):
        day_log("exposures", "s3://no-such-bucket/log", DAY)
    bucket.put_object(Key="log/date=2026-09-30/a.csv", Body=b"a\n1\n")
    with pytest.raises(LogMissing, match="has no day 2026-10-01: .* that day .they name 2026-09-30 to 2026-09-30"):  # noqa: RUF043
        day_log("exposures", f"s3://{bucket.name}/log", DAY)


def test_a_store_that_does_not_answer_is_named(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(DataError, match=rf"s3://{bucket.name}/log cannot be read \(EndpointConnectionError: "):
        day_log("exposures", f"s3://{bucket.name}/log", DAY)
    s3fs.S3FileSystem.clear_instance_cache()


def test_hash_and_stamp_tell_what_changed(bucket: Any, tmp_path: Path) -> None:
    location, key = f"s3://{bucket.name}/log", f"log/date={DAY}/a.csv"

    def told(body: bytes) -> tuple[str, str]:
        bucket.put_object(Key=key, Body=body)
        log = day_log("exposures", location, DAY)
        return log.content_hash(), log.stamp()

    first, again, other = told(b"a\n1\n"), told(b"a\n1\n"), told(b"a\n2\n")
    assert first == again
    assert len({first[0], other[0]}) == len({first[1], other[1]}) == 2
    (tmp_path / f"date={DAY}").mkdir()
    (tmp_path / f"date={DAY}" / "a.csv").write_bytes(b"a\n1\n")
    assert day_log("exposures", tmp_path, DAY).content_hash() == first[0]  # a copy of the log is the same log


def test_a_large_object_is_hashed_as_a_stream(bucket: Any, tmp_path: Path) -> None:
    (tmp_path / f"date={DAY}").mkdir()
    content = b"a\n" + b"x" * (9 * 1024 * 1024)
    for name in ("a.csv", "b.csv", "c.csv"):
        bucket.put_object(Key=f"log/date={DAY}/{name}", Body=content)
        (tmp_path / f"date={DAY}" / name).write_bytes(content)
    remote, local = day_log("exposures", f"s3://{bucket.name}/log", DAY), day_log("exposures", tmp_path, DAY)
    assert remote.content_hash() == local.content_hash()


@pytest.mark.parametrize("change", ["write", "remove"])
def test_an_object_that_changes_while_it_is_read_is_named(
    change: str, bucket: Any, db: duckdb.DuckDBPyConnection
) -> None:
    key = f"log/date={DAY}/a.csv"
    bucket.put_object(Key=key, Body=b"n,user_id\n1,a\n")
    log = day_log("exposures", f"s3://{bucket.name}/log", DAY)

    def change_and_read() -> None:
        bucket.put_object(Key=key, Body=b"n,user_id\n2,b\n") if change == "write" else bucket.Object(key).delete()
        summary(db, log)

    with pytest.raises(DataError, match=rf"s3://\S*/{key} changed while it was read"), unchanged(log):
        change_and_read()


@pytest.mark.parametrize(
    ("kind", "where"),
    [("jsonl", ", line 12000: not a JSON object"), ("jsonl.gz", ", line "), ("csv", ", line "), ("parquet", ": ")],
)
def test_a_broken_object_is_named(
    kind: str, where: str, bucket: Any, db: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    content = contents(tmp_path)[kind]
    lines = content.splitlines(keepends=True)
    broken = b"".join([*lines[:11_999], b"{\n", *lines[12_000:]]) if kind == "jsonl" else content[: len(content) // 2]
    for name, body in (("a", content), ("b", broken)):
        bucket.put_object(Key=f"log/date={DAY}/{name}.{kind}", Body=body)
    log = day_log("exposures", f"s3://{bucket.name}/log", DAY)
    with pytest.raises(DataError, match=rf"day 2026-10-01: cannot be read\. s3://\S*/b\.{kind}{where}"):
        summary(db, log)


def test_other_stores_are_read_in_the_same_way(db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for kind, content in contents(tmp_path).items():
        memory.pipe(f"/{tmp_path.name}/{kind}/date={DAY}/a.{kind}", content)
        log = day_log("exposures", f"memory://{tmp_path.name}/{kind}/date={{date}}/*.{kind}", DAY)
        with unchanged(log):
            assert summary(db, log) == (ROWS, ROWS * (ROWS - 1) // 2, 997)
        stamp, before = log.stamp(), log.content_hash()
        memory.pipe(f"/{tmp_path.name}/{kind}/date={DAY}/a.{kind}", content + b"\n")
        assert (log.stamp() != stamp, log.content_hash() != before) == (True, True)
