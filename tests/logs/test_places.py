from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from abflow.errors import DataError, LogMissing
from abflow.logs.files import Disk, Entry
from abflow.logs.layout import DayLog, day_log
from abflow.logs.places import days_in

DAY = date(2026, 10, 1)
LOG = "exposures"


def write(root: Path, *names: str) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a\n1\n")


def names_of(log: DayLog) -> list[str]:
    return [file.name for file in log.files]


@pytest.mark.parametrize(
    "day_folder",
    [
        "date=2026-10-01",
        "dt=2026-10-01",
        "day=20261001",
        "year=2026/month=10/day=01",
        "year=2026/month=10/day=1",
        "2026-10-01",
        "2026/10/01",
        "region=eu/date=2026-10-01",
        "date=2026-10-01/hour=05",
    ],
)
def test_the_day_is_found_in_the_folders_of_a_log(day_folder: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for other in ("2026-09-30", "2026-10-02", "2027-10-01"):
        year, month, day = other.split("-")
        name = day_folder.replace("2026-10-01", other).replace("20261001", other.replace("-", ""))
        name = name.replace("year=2026/month=10/day=0", "year=2026/month=10/day=").replace(
            "2026/10/01", f"{year}/{month}/{day}"
        )
        name = name.replace("year=2026/month=10/day=1", f"year={year}/month={int(month)}/day={int(day)}")
        write(log, f"{name}/a.csv")
    write(log, f"{day_folder}/b.csv", f"{day_folder}/a.csv", f"{day_folder}/_SUCCESS")
    found = day_log(LOG, log, DAY)
    assert names_of(found) == [f"{day_folder}/a.csv", f"{day_folder}/b.csv"]
    assert found.folder == str(log / day_folder)
    assert not found.by_timestamp


def test_the_day_is_found_in_the_names_of_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        "x-2026-10-01-0.csv",
        "x-20261001T05.csv.gz",
        "x-2026_10_01.csv",
        "x-2026-10-02.csv",
        "x-2025-10-01.csv",
    )
    assert names_of(day_log(LOG, tmp_path, DAY)) == ["x-2026-10-01-0.csv", "x-20261001T05.csv.gz", "x-2026_10_01.csv"]


@pytest.mark.parametrize(
    ("path", "days"),
    [
        ("date=2026-10-01/part-0.parquet", ["2026-10-01"]),
        ("2026/10/01/stream-2026-10-01-05-12.csv", ["2026-10-01"]),
        ("part-00000-20261001.csv", ["2026-10-01"]),
        ("2026-10-01_2026-10-02.csv", ["2026-10-01", "2026-10-02"]),
        ("year=2026/month=2/day=9", ["2026-02-09"]),
        ("part-20269999.csv", []),
        ("part-120261001.csv", []),
        ("2026-10.csv", []),
        ("myear=2026/month=2/day=9", []),
        ("1999-10-01.csv", []),
    ],
)
def test_a_day_is_read_from_a_path_only_when_it_is_one(path: str, days: list[str]) -> None:
    assert sorted(map(str, days_in(path))) == days


@pytest.mark.parametrize(
    ("location", "files"),
    [
        ("log/{date}", ["a.csv", "deep/b.csv"]),
        ("log/{date}/", ["a.csv", "deep/b.csv"]),
        ("log/{date}/*.csv", ["a.csv"]),
        ("log/{date}/**/b.csv", ["deep/b.csv"]),
        ("log/{date}/**", ["a.csv", "deep/b.csv"]),
        ("log/{date}/a.csv", ["a.csv"]),
        ("flat/x-{date:%Y%m%d}*.csv.gz", ["x-20261001-0.csv.gz", "x-20261001-1.csv.gz"]),
        ("flat/x-{date:%Y%m%d}-[0].csv.gz", ["x-20261001-0.csv.gz"]),
        ("y={date:%Y}/m={date:%m}/d={date:%d}", ["a.csv"]),
        ("deep/{date:%Y/%m/%d}", ["a.csv"]),
        ("julian/{date:%Y-%j}.csv", ["2026-274.csv"]),
    ],
)
def test_a_template_says_where_a_day_is(location: str, files: list[str], tmp_path: Path) -> None:
    write(tmp_path, "log/2026-10-01/a.csv", "log/2026-10-01/deep/b.csv", "log/2026-10-02/a.csv")
    write(tmp_path, "flat/x-20261001-0.csv.gz", "flat/x-20261001-1.csv.gz", "flat/x-20261002-0.csv.gz")
    write(tmp_path, "y=2026/m=10/d=01/a.csv", "y=2026/m=10/d=02/a.csv", "deep/2026/10/01/a.csv", "julian/2026-274.csv")
    assert names_of(day_log(LOG, location, DAY, root=tmp_path)) == files


@pytest.mark.parametrize(
    ("location", "files"),
    [
        ("log/*/date=*", ["eu/date=2026-10-01/a.csv", "us/date=2026-10-01/b.csv"]),
        ("log/eu/*", ["date=2026-10-01/a.csv"]),
        ("log/**/*.csv", ["eu/date=2026-10-01/a.csv", "us/date=2026-10-01/b.csv"]),
        ("log/[u]s", ["us/date=2026-10-01/b.csv"]),
        ("log/?s/*/b.csv", ["us/date=2026-10-01/b.csv"]),
    ],
)
def test_a_glob_finds_the_day_in_what_it_matches(location: str, files: list[str], tmp_path: Path) -> None:
    write(
        tmp_path,
        *(
            f"log/{where}/date={day}/{name}.csv"
            for where, name in (("eu", "a"), ("us", "b"))
            for day in (DAY, "2026-10-02")
        ),
    )
    assert names_of(day_log(LOG, location, DAY, root=tmp_path)) == files


@pytest.mark.parametrize(
    ("location", "files"),
    [
        ("log/all.csv", ["all.csv"]),
        ("log", ["all.csv", "more/b.csv"]),
        ("log/*.csv", ["all.csv"]),
        ("log/a*", ["all.csv"]),
    ],
)
def test_files_that_name_no_day_hold_every_day(location: str, files: list[str], tmp_path: Path) -> None:
    write(tmp_path, "log/all.csv", "log/more/b.csv")
    found = day_log(LOG, location, DAY, root=tmp_path)
    assert names_of(found) == files
    assert found.by_timestamp


def test_one_file_holds_every_day_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path, "export-2026-11-01.csv")
    found = day_log(LOG, "export-2026-11-01.csv", DAY, root=tmp_path)
    assert (names_of(found), found.by_timestamp) == (["export-2026-11-01.csv"], True)


def test_days_in_paths_mean_nothing_when_the_timestamps_tell(tmp_path: Path) -> None:
    write(tmp_path, "export-2026-11-01-0.csv", "export-2026-11-01-1.csv")
    found = day_log(LOG, "export-*", DAY, root=tmp_path, by_timestamp=True)
    assert (len(found.files), found.by_timestamp) == (2, True)


def test_a_path_is_meant_as_it_stands_and_so_is_the_root(tmp_path: Path) -> None:
    root = tmp_path / "a[1]*{x}"
    write(root, "log/date=2026-10-01/a.csv")
    assert day_log(LOG, root / "log", DAY).files == day_log(LOG, "log", DAY, root=root).files
    assert day_log(LOG, "log/date={date}", DAY, root=root).files[0].path == str(root / "log/date=2026-10-01/a.csv")


def test_absolute_paths_and_file_urls_are_not_below_the_root(tmp_path: Path) -> None:
    write(tmp_path, "log/date=2026-10-01/a.csv")
    for location in (f"{tmp_path}/log", f"file://{tmp_path}/log", f"{tmp_path}/log/"):
        assert (
            day_log(LOG, location, DAY, root=Path("/elsewhere")).files[0].path
            == f"{tmp_path}/log/date=2026-10-01/a.csv"
        )


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (
            "log",
            r"no folder \S*/log/date=2026-10-09, and no other path below \S*/log names that day \(they name 2026-10-01",
        ),
        ("flat", r"no other path below \S*/flat names that day \(they name 2026-10-01 to 2026-10-02\)"),
        ("log/{date}", r"there are no files at \S*/log/2026-10-09; run again"),
        ("flat/{date}*.csv", r"there are no files at \S*/flat/2026-10-09\*\.csv; run again"),
    ],
)
def test_a_day_that_is_not_there_is_told_with_those_that_are(location: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, *(f"log/date=2026-10-0{n}/a.csv" for n in (1, 2)), "flat/2026-10-01.csv", "flat/2026-10-02.csv")
    with pytest.raises(LogMissing, match=f"log 'exposures' has no day 2026-10-09: .*{message}"):
        day_log(LOG, location, date(2026, 10, 9), root=tmp_path)


def test_a_log_that_is_not_there_at_all_is_not_only_a_missing_day(tmp_path: Path) -> None:
    for location in ("nowhere", "nowhere/*.csv"):
        with pytest.raises(
            DataError, match=r"there is no folder \S*/nowhere and no such file; set logs\.exposures"
        ) as caught:
            day_log(LOG, location, DAY, root=tmp_path)
        assert not isinstance(caught.value, LogMissing)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["date=2026-10-01/a.csv", "b.csv"], r"/b\.csv names no day, and other paths of the log do"),
        (["date=2026-09-01/a.csv", "b.csv"], r"/b\.csv names no day, and other paths of the log do"),
        (["2026-10-01.csv", "b.csv"], r"/b\.csv names no day, and other paths of the log do"),
        (["year=2025/a.csv", "b.csv"], r"/b\.csv names no day, and other paths of the log do"),
        (
            ["2026-10-01_to_2026-10-02.csv"],
            r"names more than one day; use a template with \{date\}, or say day: timestamp",
        ),
    ],
)
def test_paths_that_do_not_tell_the_day_clearly_are_refused(names: list[str], message: str, tmp_path: Path) -> None:
    write(tmp_path, *names)
    with pytest.raises(DataError, match=message):
        day_log(LOG, tmp_path, DAY)


def test_other_files_beside_the_days_are_not_asked_for_theirs(tmp_path: Path) -> None:
    write(tmp_path, "date=2026-10-01/a.csv", "README.md")
    assert names_of(day_log(LOG, tmp_path, DAY)) == ["date=2026-10-01/a.csv"]


def test_folders_of_other_days_are_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        *(f"year={year}/month={month}/day={day}/a.csv" for year in (2025, 2026) for month in (9, 10) for day in (1, 2)),
    )
    listed: list[str] = []
    entries = Disk.entries

    def counted(self: Disk, folder: str) -> list[Entry]:
        listed.append(folder)
        return entries(self, folder)

    monkeypatch.setattr(Disk, "entries", counted)
    day_log(LOG, tmp_path, DAY)
    assert [Path(path).name for path in listed] == [tmp_path.name, "year=2026", "month=10", "day=1"]
