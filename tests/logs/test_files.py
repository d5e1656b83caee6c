from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import fsspec
import pytest

from abflow.errors import DataError
from abflow.logs.files import storage_of
from abflow.logs.layout import day_log
from abflow.logs.reading import open_day, reading
from abflow.logs.resources import connection

DAY = date(2026, 10, 1)


@contextmanager
def nobody() -> Iterator[None]:
    """Be somebody whom permissions bind."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_may_not_be_listed_is_named(open_folder: Path) -> None:
    place = open_folder / f"date={DAY}"
    place.mkdir()
    (place / "a.csv").write_text("a\n1\n")
    place.chmod(0)
    try:
        with nobody(), pytest.raises(DataError, match=rf"date={DAY} cannot be read \(PermissionError: "):
            day_log("outcomes", open_folder, DAY)
    finally:
        place.chmod(0o755)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl"])
def test_a_file_that_may_not_be_read_is_named(name: str, open_folder: Path) -> None:
    place = open_folder / f"date={DAY}"
    place.mkdir()
    (place / name).write_text("a\n1\n")
    (place / name).chmod(0)
    with connection() as db, nobody():
        log = day_log("outcomes", open_folder, DAY)
        with pytest.raises(DataError, match=rf"{name} cannot be read \(PermissionError: "):
            open_day(db, log, view="day", as_json=True)
        with pytest.raises(DataError, match=rf"{name} cannot be read \(PermissionError: "):
            log.content_hash()


def test_a_link_that_leads_nowhere_is_no_log_file_and_no_silence(tmp_path: Path) -> None:
    place = tmp_path / f"date={DAY}"
    place.mkdir()
    (place / "a.csv").write_text("a\n1\n")
    (place / "b.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"b\.csv is a link that leads nowhere"):
        day_log("outcomes", tmp_path, DAY)


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.csv").write_text("a\n1\n")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / f"date={DAY}").symlink_to(tmp_path / "elsewhere")
    assert len(day_log("outcomes", tmp_path / "log", DAY).files) == 1


@pytest.mark.parametrize("name", ["a[1].parquet", "a*.parquet", "a?.parquet", "it's {a} ä.parquet", "a b%20c#.parquet"])
def test_a_name_is_a_name_and_no_wildcard(name: str, tmp_path: Path) -> None:
    place = tmp_path / f"date={DAY}"
    place.mkdir()
    with connection() as db:
        for number, other in enumerate([name, "a1.parquet", "ab.parquet"]):
            db.execute(f"copy (select {number} as n) to '{place}/x' (format parquet)")
            (place / "x").rename(place / other)
        log = day_log("outcomes", "date={date}/" + name.replace("[", "[[]").replace("{a}", "{{a}}"), DAY, root=tmp_path)
        log = type(log)(
            log=log.log, day=DAY, format=log.format, files=tuple(f for f in log.files if f.path.endswith(name))
        )
        with reading(log):
            open_day(db, log, view="day")
            assert db.execute("select n from day").fetchall() == [(0,)]


def test_an_object_store_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(scheme: str) -> None:
        raise ImportError(f"Please install what reads {scheme}")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(DataError, match=r"s3:// cannot be read here: install 'abflow\[s3\]'"):
        day_log("outcomes", "s3://bucket/logs", DAY)
    with pytest.raises(DataError, match="gs:// cannot be read here: Please install what reads gs"):
        storage_of("gs://bucket/logs")


def test_a_storage_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(DataError, match="hopper:// cannot be read here"):
        day_log("outcomes", "hopper://bucket/logs", DAY)
