from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from abflow.errors import DataError, LogMissing
from abflow.logs.layout import DayLog, LogFormat, day_log

DAY = date(2026, 10, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / f"date={DAY}").mkdir()
    return tmp_path


def add(folder: Path, name: str, content: str = "x") -> Path:
    file = folder / f"date={DAY}" / name
    file.write_text(content)
    return file


def paths(log: DayLog) -> list[Path]:
    return [Path(file.path) for file in log.files]


def test_a_day_is_its_files_in_the_order_of_their_names(folder: Path) -> None:
    names = ["b.parquet", "a.parquet", "c.parquet"]
    files = [add(folder, name) for name in names]
    got = day_log("outcomes", folder, DAY)
    assert paths(got) == sorted(files)
    assert (got.log, got.day, got.format, got.folder) == ("outcomes", DAY, LogFormat.PARQUET, str(files[0].parent))


@pytest.mark.parametrize(
    "name", ["_SUCCESS", ".part-0.parquet.crc", "_temporary", "a.parquet.tmp", "part-0.crc", "x_$folder$"]
)
def test_marks_of_the_writer_are_not_log_files(name: str, folder: Path) -> None:
    add(folder, name)
    file = add(folder, "part-0.jsonl")
    assert paths(day_log("outcomes", folder, DAY)) == [file]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.parquet", "parquet"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.jsonl.gz", "jsonl"),
        ("a.ndjson.gz", "jsonl"),
        ("a.csv", "csv"),
        ("a.csv.gz", "csv"),
    ],
)
def test_the_name_of_a_file_tells_its_format(name: str, kind: str, folder: Path) -> None:
    add(folder, name)
    assert day_log("outcomes", folder, DAY).format == kind


def test_a_plain_and_a_compressed_file_may_share_a_day(folder: Path) -> None:
    add(folder, "a.csv")
    add(folder, "b.csv.gz")
    assert len(day_log("outcomes", folder, DAY).files) == 2


def test_a_missing_folder_names_the_field_to_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nowhere and no such file; set logs\.outcomes"):
        day_log("outcomes", tmp_path / "nowhere", DAY)


def test_a_missing_day_is_not_an_empty_day(tmp_path: Path) -> None:
    with pytest.raises(LogMissing, match="'outcomes' has no day 2026-10-01"):
        day_log("outcomes", tmp_path, DAY)


def test_an_empty_day_is_an_error(folder: Path) -> None:
    add(folder, "_SUCCESS")
    with pytest.raises(LogMissing, match="'outcomes' has an empty day: no files in"):
        day_log("outcomes", folder, DAY)


@pytest.mark.parametrize("name", ["a.txt", "parquet", "a.json"])
def test_an_unknown_file_is_named(name: str, folder: Path) -> None:
    add(folder, "a.parquet")
    add(folder, name)
    with pytest.raises(DataError, match=rf"{name} is not a log file; known are \.parquet"):
        day_log("outcomes", folder, DAY)


def test_two_formats_in_a_day_are_refused(folder: Path) -> None:
    add(folder, "a.parquet")
    add(folder, "b.csv")
    with pytest.raises(
        DataError, match=r"holds csv and parquet files, such as \S*b\.csv and \S*a\.parquet; a day must"
    ):
        day_log("outcomes", folder, DAY)
