from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from abflow.errors import DataError
from abflow.logs.layout import LogFormat, day_log

DAY = date(2026, 10, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / f"date={DAY}").mkdir()
    return tmp_path


def add(folder: Path, name: str, content: str = "x") -> Path:
    file = folder / f"date={DAY}" / name
    file.write_text(content)
    return file


def test_a_day_is_its_files_in_the_order_of_their_names(folder: Path) -> None:
    names = ["b.parquet", "a.parquet", "c.parquet"]
    files = [add(folder, name) for name in names]
    got = day_log("outcomes", folder, DAY)
    assert got.files == tuple(sorted(files))
    assert (got.log, got.day, got.format, got.folder) == ("outcomes", DAY, LogFormat.PARQUET, files[0].parent)


@pytest.mark.parametrize("name", ["_SUCCESS", ".part-0.parquet.crc", "_temporary"])
def test_marks_of_the_writer_are_not_log_files(name: str, folder: Path) -> None:
    add(folder, name)
    file = add(folder, "part-0.jsonl")
    assert day_log("outcomes", folder, DAY).files == (file,)


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
    with pytest.raises(DataError, match=r"there is no folder .*nowhere; set logs\.outcomes"):
        day_log("outcomes", tmp_path / "nowhere", DAY)


def test_a_missing_day_is_not_an_empty_day(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'outcomes' has no day 2026-10-01"):
        day_log("outcomes", tmp_path, DAY)


def test_an_empty_day_is_an_error(folder: Path) -> None:
    add(folder, "_SUCCESS")
    with pytest.raises(DataError, match="'outcomes' has an empty day: no files in"):
        day_log("outcomes", folder, DAY)


@pytest.mark.parametrize("name", ["a.txt", "parquet", "a.json", "a.parquet.tmp"])
def test_an_unknown_file_is_named(name: str, folder: Path) -> None:
    add(folder, "a.parquet")
    add(folder, name)
    with pytest.raises(DataError, match=rf"{name} is not a log file; known are \.parquet"):
        day_log("outcomes", folder, DAY)


def test_two_formats_in_a_day_are_refused(folder: Path) -> None:
    add(folder, "a.parquet")
    add(folder, "b.csv")
    with pytest.raises(DataError, match="holds csv and parquet files; a day must have one format"):
        day_log("outcomes", folder, DAY)


def test_the_hash_changes_with_content_and_name_and_with_nothing_else(folder: Path, tmp_path: Path) -> None:
    first, second = add(folder, "a.csv", "1"), add(folder, "b.csv", "2")
    before = day_log("outcomes", folder, DAY).content_hash()
    first.touch()
    add(folder, "_SUCCESS", "done")
    assert day_log("exposures", folder, DAY).content_hash() == before
    first.write_text("2"), second.write_text("1")  # the same contents under each other's names
    swapped = day_log("outcomes", folder, DAY).content_hash()
    first.write_text("12"), second.write_text("")  # the same bytes one after the other
    shifted = day_log("outcomes", folder, DAY).content_hash()
    first.write_text("1"), second.write_text("2")
    assert day_log("outcomes", folder, DAY).content_hash() == before
    second.rename(second.with_name("c.csv"))
    renamed = day_log("outcomes", folder, DAY).content_hash()
    assert len({before, swapped, shifted, renamed}) == 4
