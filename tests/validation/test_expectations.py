from __future__ import annotations

import dataclasses
import gzip
import logging
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.errors import ContractBroken, DataError
from abflow.validation.contract import SHADOW_LOG
from abflow.validation.expectations import check_shadow_log
from abflow.validation.log_report import LogReport, require_contract
from tests.validation.shadow_logs import DAY, WRITERS, Row, day_of, sound_rows, write_csv, write_jsonl, write_parquet


def check(tmp_path: Path, rows: list[Row]) -> LogReport:
    return check_shadow_log(day_of([write_jsonl(tmp_path / "log.jsonl", rows)]), threads=1)


def broken_names(report: LogReport) -> list[str]:
    return [broken.name for broken in report.broken]


@pytest.mark.parametrize("kind", WRITERS)
def test_sound_log_keeps_every_promise(kind: str, tmp_path: Path) -> None:
    report = check_shadow_log(day_of([WRITERS[kind](tmp_path / f"log.{kind}", sound_rows())]))
    assert (report.day, report.rows, report.broken) == (DAY, 40, ())
    assert [found.name for found in report.checks] == [promise.name for promise in SHADOW_LOG.promises()]
    require_contract(report)


def test_three_formats_give_the_same_report(tmp_path: Path) -> None:
    rows = sound_rows()
    rows[3] |= {"request_id": "r2", "timestamp": "2026-10-02T00:00:00Z"}
    rows[7]["production_latency_ms"] = None
    reports = [check_shadow_log(day_of([write(tmp_path / f"log.{kind}", rows)])) for kind, write in WRITERS.items()]
    assert broken_names(reports[0]) == [
        "timestamp_inside_day",
        "request_id_unique",
        "production_latency_ms_filled",
    ]
    assert len({dataclasses.replace(report, files=()) for report in reports}) == 1


def test_same_log_gives_the_same_report_with_any_number_of_threads(tmp_path: Path) -> None:
    rows = [row | {"request_id": f"r{i % 500}"} for i, row in enumerate(sound_rows(1000))]
    file = write_parquet(tmp_path / "log.parquet", rows)
    reports = {check_shadow_log(day_of([file]), threads=threads) for threads in (1, 2, 2, 4)}
    assert len(reports) == 1


@pytest.mark.parametrize("column", SHADOW_LOG.required)
def test_missing_column_is_reported_once_and_the_other_checks_still_run(column: str, tmp_path: Path) -> None:
    report = check(tmp_path, [{k: v for k, v in row.items() if k != column} for row in sound_rows()])
    assert broken_names(report) == [f"{column}_exists"]
    assert len(report.checks) > len(SHADOW_LOG.required)
    with pytest.raises(ContractBroken, match=f"2026-10-01 .*log.jsonl.*{column} is missing from the log; add it"):
        require_contract(report)


def test_file_of_other_columns_lacks_all_of_them(tmp_path: Path) -> None:
    report = check(tmp_path, [{"something": 1}])
    assert broken_names(report) == [f"{column}_exists" for column in SHADOW_LOG.required]


@pytest.mark.parametrize(
    "column",
    ["timestamp", "request_id", "production_prediction", "production_latency_ms", "shadow_latency_ms"],
)
@pytest.mark.parametrize("nothing", [None, ""])
def test_empty_value_breaks_a_column_that_must_be_filled(column: str, nothing: object, tmp_path: Path) -> None:
    rows = sound_rows()
    rows[5][column] = nothing
    report = check(tmp_path, rows)
    assert [(c.name, c.unexpected_count, c.unexpected_percent) for c in report.broken] == [(f"{column}_filled", 1, 2.5)]


@pytest.mark.parametrize(
    ("change", "name", "sample"),
    [
        ({"request_id": "r1"}, "request_id_unique", "r1"),
        ({"timestamp": "2026-09-30T23:59:59.999999Z"}, "timestamp_inside_day", "2026-09-30 23:59:59.999999"),
        ({"timestamp": "2026-10-02T00:00:00Z"}, "timestamp_inside_day", "2026-10-02 00:00:00"),
        ({"timestamp": "2026-10-01T00:30:00+02:00"}, "timestamp_inside_day", "2026-09-30 22:30:00"),
        ({"timestamp": "yesterday"}, "timestamp_readable", "yesterday"),
        ({"timestamp": 179081280}, "timestamp_readable", "179081280"),
        ({"production_latency_ms": "fast"}, "production_latency_ms_readable", "fast"),
        ({"production_latency_ms": "NaN"}, "production_latency_ms_readable", "NaN"),
        ({"production_latency_ms": -1}, "production_latency_ms_not_negative", "-1.0"),
        ({"shadow_latency_ms": "n/a"}, "shadow_latency_ms_readable", "n/a"),
        ({"shadow_latency_ms": -1}, "shadow_latency_ms_fits_error", "-1"),
        ({"shadow_latency_ms": -2, "shadow_error": "x"}, "shadow_latency_ms_fits_error", "-2"),
        ({"predictions_agree": "maybe"}, "predictions_agree_readable", "maybe"),
    ],
)
def test_broken_promise_is_named_with_its_value(change: Row, name: str, sample: str, tmp_path: Path) -> None:
    rows = sound_rows()
    rows[5] |= change
    (found,) = check(tmp_path, rows).broken
    assert (found.name, found.samples) == (name, (sample,))
    assert found.unexpected_count == (2 if name == "request_id_unique" else 1)
    assert repr(sample) in found.sentence


def test_first_and_last_microsecond_of_the_day_belong_to_it(tmp_path: Path) -> None:
    rows = sound_rows()
    rows[0]["timestamp"], rows[1]["timestamp"] = "2026-10-01T00:00:00Z", "2026-10-01T23:59:59.999999Z"
    assert check(tmp_path, rows).broken == ()


def test_answer_is_needed_unless_an_error_says_why_not(tmp_path: Path) -> None:
    rows = sound_rows()
    rows[5]["shadow_prediction"] = None
    report = check(tmp_path, rows)
    assert broken_names(report) == ["shadow_prediction_or_error"]
    with pytest.raises(ContractBroken, match=r"1 of 40 rows \(2.5 %\) break the promise that shadow_prediction"):
        require_contract(report)


def test_every_broken_promise_has_its_line(tmp_path: Path) -> None:
    rows = sound_rows()
    rows[0]["request_id"] = None
    rows[1]["production_latency_ms"] = "fast"
    with pytest.raises(ContractBroken) as raised:
        require_contract(check(tmp_path, rows))
    lines = str(raised.value).split("\n")
    assert [line.startswith("shadow log of 2026-10-01") for line in lines] == [True, True]


def test_error_that_first_occurs_late_in_the_file_is_a_column(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if v is not None} for row in sound_rows(30_000)]
    late = [row for row in rows if "shadow_error" not in row] + [row for row in rows if "shadow_error" in row]
    assert check(tmp_path, late).broken == ()


def test_files_of_a_day_are_checked_together(tmp_path: Path) -> None:
    rows = sound_rows()
    files = [write_csv(tmp_path / "a.csv", rows[:20]), write_csv(tmp_path / "b.csv", [*rows[20:], rows[0]])]
    report = check_shadow_log(day_of(files))
    assert (report.rows, broken_names(report)) == (41, ["request_id_unique"])


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.csv"])
def test_day_of_empty_files_is_broken(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.touch()
    with pytest.raises(DataError, match=rf"has an empty day: \S*{name} holds nothing"):
        check_shadow_log(day_of([file]))


@pytest.mark.parametrize("name", ["header.csv", "none.parquet"])
def test_day_without_rows_is_broken(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(",".join(sound_rows(1)[0]) + "\n", encoding="utf-8")
    if name == "none.parquet":
        with duckdb.connect(":memory:") as connection:
            connection.execute(f"copy (select 1 as request_id where false) to '{file}' (format parquet)")
    with pytest.raises(ContractBroken, match=r"2026-10-01: 1 files .* hold no row"):
        check_shadow_log(day_of([file]))


def test_truncated_parquet_is_named_among_sound_files(tmp_path: Path) -> None:
    sound = write_parquet(tmp_path / "a.parquet", sound_rows())
    cut = tmp_path / "b.parquet"
    cut.write_bytes(sound.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cannot be read\. \S*b\.parquet: .*Write the file again"):
        check_shadow_log(day_of([sound, cut]))


def test_gzip_that_ends_early_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(write_jsonl(tmp_path / "a.jsonl", sound_rows()).read_bytes())
    file = tmp_path / "log.jsonl.gz"
    file.write_bytes(whole)
    assert check_shadow_log(day_of([file])).broken == ()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cannot be read\. \S*log\.jsonl\.gz"):
        check_shadow_log(day_of([file]))


def test_line_that_is_not_json_is_named_with_file_and_number(tmp_path: Path) -> None:
    sound = write_jsonl(tmp_path / "a.jsonl", sound_rows())
    lines = sound.read_text(encoding="utf-8").splitlines()
    lines[6] = "Traceback (most recent call last):"
    bad = tmp_path / "b.jsonl"
    bad.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"cannot be read\. \S*b\.jsonl, line 7"):
        check_shadow_log(day_of([sound, bad]))


def test_csv_row_of_another_length_is_named(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "log.csv", sound_rows())
    with file.open("a", encoding="utf-8") as more:
        more.write("only,three,values\n")
    with pytest.raises(DataError, match=r"cannot be read\. \S*log\.csv"):
        check_shadow_log(day_of([file]))


def test_one_day_is_of_one_known_format(tmp_path: Path) -> None:
    files = [write_csv(tmp_path / "a.csv", sound_rows()), write_jsonl(tmp_path / "b.jsonl", sound_rows())]
    with pytest.raises(DataError, match="holds csv and jsonl files"):
        check_shadow_log(day_of(files))
    with pytest.raises(DataError, match=r"log\.xlsx is not a log file"):
        check_shadow_log(day_of([tmp_path / "log.xlsx"]))


def test_checking_is_silent_and_stays_on_the_machine(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **options: asked.append(address))
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO):
        check(tmp_path, sound_rows())
    assert asked == []
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno < logging.WARNING] == []
    assert [file.name for file in tmp_path.iterdir()] == ["log.jsonl"]


def test_check_survives_in_a_process_without_a_main_file(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "log.csv", sound_rows())
    script = (
        "from datetime import date; from pathlib import Path; "
        "from abflow.validation.expectations import check_shadow_log; "
        "from abflow.logs.layout import log_of_files; "
        f"print(check_shadow_log(log_of_files('shadow', date(2026, 10, 1), [Path({str(file)!r})])).rows)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "40\n"
    assert "Error" not in ran.stderr


@pytest.mark.slow
def test_a_million_rows_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "log.parquet"
    with duckdb.connect(":memory:") as connection:
        connection.execute(
            f"""copy (
                select timestamp '2026-10-01' + interval (range % 86400) second as "timestamp",
                    'r' || range as request_id, range / 7 as production_prediction,
                    range % 90 as production_latency_ms, range / 7 as shadow_prediction,
                    range % 91 as shadow_latency_ms, null::varchar as shadow_error
                from range(1000000)) to '{file}' (format parquet)"""
        )
    began = time.perf_counter()
    report = check_shadow_log(day_of([file]))
    print(f"checked {report.rows} rows in {time.perf_counter() - began:.1f} s")  # noqa: T201  for people to see
    assert (report.rows, report.broken) == (1_000_000, ())
