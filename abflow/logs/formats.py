"""The formats of log files, by the endings of their names."""

from __future__ import annotations

from enum import StrEnum


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


def format_of(name: str) -> LogFormat | None:
    """The format of a file, by its name; None when it is no log file."""
    return next((format_ for suffix, format_ in SUFFIXES.items() if name.endswith(suffix)), None)
