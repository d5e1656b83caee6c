from __future__ import annotations

import os
import threading
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pytest

from abflow.errors import DataError, LogMissing
from abflow.logs.content import unchanged
from abflow.logs.files import Disk
from abflow.logs.layout import DayLog, LogFile, LogFormat, day_log
from abflow.logs.reading import open_day
from abflow.logs.resources import connection

DAY = date(2026, 10, 1)
NEXT = date(2026, 10, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / f"date={DAY}").mkdir()
    return tmp_path


def add(folder: Path, name: str, content: str = "x") -> Path:
    file = folder / f"date={DAY}" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    return file


def hash_of(folder: Path, **how: Any) -> str:
    return day_log("outcomes", folder, DAY, **how).content_hash()


def stamp_of(folder: Path, **how: Any) -> str:
    return day_log("outcomes", folder, DAY, **how).stamp()


def test_the_hash_changes_with_content_and_name_and_with_nothing_else(folder: Path) -> None:
    first, second = add(folder, "a.csv", "1"), add(folder, "b.csv", "2")
    before = hash_of(folder)
    first.touch()
    add(folder, "_SUCCESS", "done")
    assert day_log("exposures", folder, DAY).content_hash() == before
    first.write_text("2"), second.write_text("1")  # the same contents under each other's names
    swapped = hash_of(folder)
    first.write_text("12"), second.write_text("")  # the same bytes one after the other
    shifted = hash_of(folder)
    first.write_text("1"), second.write_text("2")
    assert hash_of(folder) == before
    second.rename(second.with_name("c.csv"))
    assert len({before, swapped, shifted, hash_of(folder)}) == 4


def test_files_of_one_name_in_two_hours_are_two_files(folder: Path) -> None:
    add(folder, "hour=1/a.csv", "1"), add(folder, "hour=2/a.csv", "2")
    before = hash_of(folder)
    add(folder, "hour=1/a.csv", "2"), add(folder, "hour=2/a.csv", "1")
    assert hash_of(folder) != before


def test_a_log_that_is_moved_or_copied_is_the_same_log(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    add(folder, "hour=1/a.csv", "1")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / f"date={DAY}").rename(elsewhere / f"date={DAY}")
    before = hash_of(elsewhere)
    (elsewhere / f"date={DAY}").rename(folder / f"date={DAY}")
    assert hash_of(folder) == before


def test_other_names_of_columns_are_another_reading(folder: Path) -> None:
    add(folder, "a.csv")
    how: list[dict[str, Any]] = [{}, {"columns": {"user_id": "customer"}}, {"columns": {"user_id": "client"}}]
    assert len({hash_of(folder, **each) for each in how}) == 3
    assert len({stamp_of(folder, **each) for each in how}) == 3


def test_the_stamp_changes_with_every_change_of_a_file(folder: Path) -> None:
    file = add(folder, "a.csv", "1")
    stamps = [stamp_of(folder)]
    assert stamps == [stamp_of(folder)]
    os.utime(file, ns=(1, 10**18))
    stamps.append(stamp_of(folder))
    file.write_text("2")
    os.utime(file, ns=(1, 10**18))  # what copying tools do: another content of the same size and time
    stamps.append(stamp_of(folder))
    add(folder, "b.csv")
    stamps.append(stamp_of(folder))
    file.unlink()
    stamps.append(stamp_of(folder))
    assert len(set(stamps)) == 5
    assert all(len(stamp) == 32 for stamp in stamps)


def test_the_stamp_reads_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(folder, "a.csv")
    log = day_log("outcomes", folder, DAY)
    monkeypatch.setattr(Disk, "open", None)
    assert log.stamp()
    with pytest.raises(TypeError):
        log.content_hash()


def test_the_hash_reads_every_file_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcdefghij":
        add(folder, f"{name}.csv", name)
    opened: list[str] = []
    lock, open_file = threading.Lock(), Disk.open

    def counted(self: Disk, path: str) -> Any:
        with lock:
            opened.append(path)
        return open_file(self, path)

    monkeypatch.setattr(Disk, "open", counted)
    log = day_log("outcomes", folder, DAY)
    assert len({log.content_hash() for _ in range(3)}) == 1
    assert sorted(opened) == sorted([file.path for file in log.files] * 3)


def test_a_file_that_went_has_neither_stamp_nor_hash(folder: Path) -> None:
    file = add(folder, "a.csv")
    log = day_log("outcomes", folder, DAY)
    file.unlink()
    with pytest.raises(LogMissing, match=r"a\.csv is gone"):
        log.stamp()
    with pytest.raises(DataError, match=r"a\.csv cannot be read \(FileNotFoundError"):
        log.content_hash()


def test_what_was_read_of_files_at_rest_is_kept(folder: Path) -> None:
    add(folder, "a.csv")
    with unchanged(day_log("outcomes", folder, DAY)):
        add(folder, "b.csv")  # belongs to the next time that the day is read
        add(folder, "_SUCCESS")


@pytest.mark.parametrize("change", ["write", "append", "replace", "remove"])
def test_a_file_that_changes_while_it_is_read_is_named(change: str, folder: Path) -> None:
    add(folder, "a.csv")
    file = add(folder, "b.csv")
    log = day_log("outcomes", folder, DAY)
    with pytest.raises(DataError, match=r"'outcomes', day 2026-10-01: \S*b\.csv changed while it was read; run this"):  # noqa: SIM117, PT012
        with unchanged(log):
            match change:
                case "write":
                    file.write_text("y")
                case "append":
                    with file.open("a") as stream:
                        stream.write("y")
                case "replace":
                    file.with_name("_new").write_text("x")
                    file.with_name("_new").replace(file)
                case "remove":
                    file.unlink()


def test_a_change_explains_why_a_file_could_not_be_read(folder: Path) -> None:
    file = add(folder, "a.jsonl", '{"a": 1}\n')
    log = day_log("outcomes", folder, DAY)
    with pytest.raises(DataError, match=r"a\.jsonl changed while it was read") as caught, unchanged(log):
        assert file.write_text('{"a": ') and opened(log)  # noqa: PT018
    assert "not a JSON object" in str(caught.value.__cause__)


def test_an_error_of_another_kind_stays_what_it_is(folder: Path) -> None:
    add(folder, "a.csv")
    with pytest.raises(DataError, match="no such variant"), unchanged(day_log("outcomes", folder, DAY)):
        raise DataError("no such variant")


class TestOneFileWithAllDays:
    """Where timestamps tell the day, only the rows of the day are its content."""

    ROWS = ("2026-10-01T10:00:00,u1,1", "2026-10-01T11:00:00,u2,", "2026-10-02T00:00:00,u1,3")

    def log(self, folder: Path, *rows: str, day: date = DAY, header: str = "timestamp,user_id,value") -> DayLog:
        (folder / "all.csv").write_text("\n".join([header, *rows]) + "\n")
        return day_log("outcomes", folder / "all.csv", day)

    def test_another_day_that_grows_leaves_this_one_as_it_was(self, tmp_path: Path) -> None:
        first = self.log(tmp_path, *self.ROWS)
        before, stamp = first.content_hash(), first.stamp()
        grown = self.log(tmp_path, *self.ROWS, "2026-10-02T09:00:00,u3,4")
        assert grown.content_hash() == before
        assert grown.stamp() != stamp

    def test_neither_the_order_of_rows_nor_a_new_column_is_content(self, tmp_path: Path) -> None:
        before = self.log(tmp_path, *self.ROWS).content_hash()
        assert self.log(tmp_path, *reversed(self.ROWS)).content_hash() == before
        swapped = [",".join(row.split(",")[::-1]) for row in self.ROWS]
        assert self.log(tmp_path, *swapped, header="value,user_id,timestamp").content_hash() == before
        wider = [f"{row}," for row in self.ROWS[:2]] + [f"{self.ROWS[2]},late"]
        assert self.log(tmp_path, *wider, header="timestamp,user_id,value,note").content_hash() == before

    @pytest.mark.parametrize(
        "rows",
        [
            ("2026-10-01T10:00:00,u1,1", "2026-10-01T11:00:00,u2,2", ROWS[2]),
            ("2026-10-01T10:00:00,u1,1", ROWS[2]),
            (ROWS[0], *ROWS),
            ("2026-10-01T10:00:00,u2,1", "2026-10-01T11:00:00,u1,", ROWS[2]),
            ("2026-10-01T10:00:00,,u1", "2026-10-01T11:00:00,u2,", ROWS[2]),
            ("2026-10-01T10:00:01,u1,1", "2026-10-01T11:00:00,u2,", ROWS[2]),
        ],
    )
    def test_every_other_change_of_its_rows_is(self, rows: tuple[str, ...], tmp_path: Path) -> None:
        before = self.log(tmp_path, *self.ROWS).content_hash()
        assert self.log(tmp_path, *rows).content_hash() != before

    def test_days_differ(self, tmp_path: Path) -> None:
        both = {self.log(tmp_path, *self.ROWS, day=day).content_hash() for day in (DAY, NEXT)}
        assert len(both) == 2
        assert self.log(tmp_path, *self.ROWS, day=DAY).stamp() != self.log(tmp_path, *self.ROWS, day=NEXT).stamp()

    def test_a_day_without_rows_is_not_there(self, tmp_path: Path) -> None:
        log = self.log(tmp_path, *self.ROWS, day=date(2026, 10, 3))
        for ask in (log.content_hash, lambda: opened(log)):
            with pytest.raises(LogMissing, match=r"has no day 2026-10-03: no row in .* has a timestamp of that day"):
                ask()

    def test_a_row_without_a_readable_time_is_of_every_day_so_that_somebody_refuses_it(self, tmp_path: Path) -> None:
        rows = [*self.ROWS, "noon,u9,1"]
        for day, count in ((DAY, 3), (NEXT, 2)):
            assert opened(self.log(tmp_path, *rows, day=day)) == count

    def test_the_day_is_cut_in_utc_by_the_column_that_the_experiment_names(self, tmp_path: Path) -> None:
        rows = ["2026-10-01T23:30:00-01:00,u1", "2026-10-02T00:30:00+01:00,u2", "2026-10-01T00:00:00,u3"]
        log = self.log(tmp_path, *rows, header="ts,user_id")
        for day, users in ((DAY, ["u2", "u3"]), (NEXT, ["u1"])):
            told = DayLog(
                log="outcomes",
                day=day,
                format=log.format,
                files=log.files,
                columns={"timestamp": "ts"},
                by_timestamp=True,
            )
            with connection() as db:
                open_day(db, told, view="day", as_json=True)
                assert [row[0] for row in db.execute("select user_id from day order by 1").fetchall()] == users


def opened(log: DayLog) -> int:
    with connection() as db:
        open_day(db, log, view="day", as_json=True)
        return int(db.execute("select count(*) from day").fetchall()[0][0])


def test_a_storage_that_does_not_tell_of_changes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/silent/date=2026-10-01/a.csv", b"a\n1\n")
    monkeypatch.setattr(memory, "info", lambda path: {"name": path, "size": 4, "type": "file"})
    file = LogFile(path="memory:///silent/date=2026-10-01/a.csv", name="a.csv", size=4)
    log = DayLog(log="outcomes", day=DAY, format=LogFormat.CSV, files=(file,))
    with pytest.raises(DataError, match=r"a\.csv does not say when a file changes; copy the log"):
        log.stamp()
