"""A log is a folder of days: `date=YYYY-MM-DD/` with Parquet, JSONL or CSV files in it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from abflow.errors import DataError


class LogFormat(StrEnum):
    """The formats a log may have."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    CSV = "csv"


SUFFIXES = {
    ".parquet": LogFormat.PARQUET,
    ".jsonl": LogFormat.JSONL,
    ".ndjson": LogFormat.JSONL,
    ".jsonl.gz": LogFormat.JSONL,
    ".ndjson.gz": LogFormat.JSONL,
    ".csv": LogFormat.CSV,
    ".csv.gz": LogFormat.CSV,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLog:
    """The files that hold one day of one log."""

    log: str
    day: date
    format: LogFormat
    files: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        """The day's folder."""
        return self.files[0].parent

    def content_hash(self) -> str:
        """Hash of the files' names and contents; a restated day has another one."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(file.name.encode() + b"\0")
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()


def day_log(log: str, folder: Path, day: date) -> DayLog:
    """Find the files of one day of a log.

    Args:
        log: The log's name in the experiment file: shadow, exposures or outcomes.
        folder: The log's folder.
        day: The UTC day.

    Raises:
        DataError: The day has no folder or no files, or its files are not of one known format.
    """
    place = folder / f"date={day}"
    if not folder.is_dir():
        raise DataError(f"log {log!r}: there is no folder {folder}; set logs.{log} to where the log is")
    if not place.is_dir():
        raise DataError(f"log {log!r} has no day {day}: there is no folder {place}; run again once it is there")
    files = sorted(f for f in place.iterdir() if f.is_file() and not f.name.startswith((".", "_")))
    if not files:
        raise DataError(f"log {log!r} has an empty day: no files in {place}; run again once they are there")
    return log_of_files(log, day, files)


def log_of_files(log: str, day: date, files: Sequence[Path]) -> DayLog:
    """One day of a log from its files.

    Raises:
        DataError: A file is of an unknown format, or they are not all of one.
    """
    formats = {file: _format_of(file) for file in files}
    unknown = [file.name for file, format_ in formats.items() if format_ is None]
    if unknown:
        raise DataError(f"{files[0].parent}: {unknown[0]} is not a log file; known are {', '.join(SUFFIXES)}")
    found = {format_ for format_ in formats.values() if format_}
    if len(found) > 1:
        raise DataError(f"{files[0].parent}: holds {' and '.join(sorted(found))} files; a day must have one format")
    return DayLog(log=log, day=day, format=found.pop(), files=tuple(files))


def _format_of(file: Path) -> LogFormat | None:
    return next((format_ for suffix, format_ in SUFFIXES.items() if file.name.endswith(suffix)), None)
