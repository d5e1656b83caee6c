from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest

from abflow.logs.in_place import InPlace, OpenFile

CONTENT = bytes(range(256)) * 1024


class Counted:
    """A file system of one file that says which bytes it was asked for."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked: list[tuple[int, int]] = []

    def info(self, path: str) -> dict[str, Any]:
        return {"name": path, "size": len(self.content), "type": "file"}

    def cat_file(self, path: str, *, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        return self.content[start:end]


def elsewhere(do: Any) -> Any:
    """What a function returns in another thread."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(do()))
    thread.start()
    thread.join()
    return got[0]


def test_reading_on_begins_where_the_last_read_ended() -> None:
    file = OpenFile(Counted(), "x")
    assert (file.read(3), file.read(2), file.tell()) == (CONTENT[:3], CONTENT[3:5], 5)
    file.seek(10)
    assert (file.tell(), file.read(4), file.read(1)) == (10, CONTENT[10:14], CONTENT[14:15])


def test_at_the_end_there_is_less_and_then_nothing() -> None:
    file = OpenFile(Counted(b"0123456789"), "x")
    file.seek(8)
    assert (file.read(5), file.read(5), file.tell()) == (b"89", b"", 10)
    file.seek(20)
    assert file.read(1) == b""
    file.seek(4)
    assert file.read() == b"456789"


def test_a_thread_reads_where_it_has_sought_whatever_others_do_meanwhile() -> None:
    file = OpenFile(Counted(), "x")
    file.seek(100)
    assert elsewhere(lambda: (file.seek(7), file.read(2))) == (7, CONTENT[7:9])
    assert file.read(3) == CONTENT[100:103]


def test_threads_that_take_turns_read_on_from_one_another() -> None:
    file = OpenFile(Counted(), "x")
    file.seek(10)
    assert elsewhere(lambda: file.read(2)) == CONTENT[10:12]
    assert file.read(2) == CONTENT[12:14]


def test_small_reads_cost_one_request() -> None:
    store = Counted()
    file = OpenFile(store, "x")
    assert b"".join(file.read(1) for _ in range(1000)) == CONTENT[:1000]
    file.seek(5)
    assert file.read(2) == CONTENT[5:7]
    assert store.asked == [(0, 65_536)]


def test_large_reads_ask_for_what_is_wanted() -> None:
    store = Counted()
    file = OpenFile(store, "x")
    file.seek(1000)
    assert file.read(100_000) == CONTENT[1000:101_000]
    assert store.asked == [(1000, 101_000)]


@pytest.fixture
def impatient() -> Iterator[None]:
    """Let Python change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", ["parquet", "csv", "json"])
def test_many_threads_read_the_right_bytes(kind: str, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    options = {"parquet": "row_group_size 4096", "csv": "header", "json": "array false"}[kind]
    query = "select count(*), sum(n), sum(length(u)), count(distinct u) from '{}'"
    with duckdb.connect(config={"threads": 8}) as db:
        rows = "select range as n, md5(range::varchar) as u from range(200000)"
        db.execute(f"copy ({rows}) to '{tmp_path}/a.{kind}' (format {kind}, {options})")
        memory.put(f"{tmp_path}/a.{kind}", f"/{tmp_path.name}/a.{kind}")
        db.register_filesystem(InPlace(memory, "memory"))
        right = db.execute(query.format(f"{tmp_path}/a.{kind}")).fetchall()
        for _ in range(5):
            assert db.execute(query.format(f"memory://{tmp_path.name}/a.{kind}")).fetchall() == right
