"""DuckDB as the reader of logs: one connection, one relation per day, one error per broken file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlglot.expressions as sql

from abflow.errors import ContractBroken, DataError
from abflow.logs.layout import DayLog, LogFormat
from abflow.logs.resources import WHOLE_MACHINE, Resources

if TYPE_CHECKING:
    import duckdb


@contextmanager
def connection(resources: Resources = WHOLE_MACHINE) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory DuckDB that reads times as UTC and fetches nothing from outside."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}
    if resources.threads:
        config["threads"] = resources.threads
    if resources.memory_limit:
        config["memory_limit"] = resources.memory_limit
    if resources.spill_folder:
        config["temp_directory"] = str(resources.spill_folder)
    opened = duckdb.connect(":memory:", config=config)
    try:
        opened.execute("set timezone = 'UTC'")
        opened.execute("set enable_progress_bar = false")
        yield opened
    finally:
        opened.close()


def open_day(opened: duckdb.DuckDBPyConnection, log: DayLog, *, view: str, as_json: bool = False) -> dict[str, str]:
    """Make one day of a log a view, and return its columns with their DuckDB types.

    Args:
        opened: The connection.
        log: The day.
        view: The view's name.
        as_json: Leave the values of JSONL files as JSON instead of guessing their types.

    Raises:
        DataError: A file is truncated, not what its name says, or not readable.
    """
    source = _relation(log, as_json=as_json)
    with reading(log):
        opened.execute(f"create or replace temp view {identifier(view)} as select * from {source}")
        described = opened.execute(f"describe {identifier(view)}").fetchall()
    return {str(row[0]): str(row[1]) for row in described}


@contextmanager
def reading(log: DayLog) -> Iterator[None]:
    """Turn DuckDB's complaint about a file into one that says which file and what to do."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        what = str(error).split("\n\n")[0].split("\nLINE ")[0].strip()
        culprit = _first_broken(log) or f"{log.folder}: {what}"
        raise DataError(
            f"log {log.log!r}, day {log.day}: cannot be read. {culprit}. "
            "Write the file again, whole; then run this day again"
        ) from error


def identifier(name: str) -> str:
    """A name quoted for DuckDB."""
    return sql.to_identifier(name, quoted=True).sql("duckdb")


def literal(text: str) -> str:
    """A text quoted for DuckDB, for the few places that take no bound parameter."""
    return sql.Literal.string(text).sql("duckdb")


def as_text(column: str, type_: str) -> str:
    """DuckDB expression that reads a column as the text it has in the log."""
    name = identifier(column)
    return f"({name} ->> '$')" if type_ == "JSON" else f"cast({name} as varchar)"


def utc(column: str, type_: str, log: DayLog) -> str:
    """DuckDB expression that reads a column as a UTC timestamp without zone; unreadable text becomes null.

    Raises:
        ContractBroken: The column cannot be a time.
    """
    name = identifier(column)
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {name})"
    if type_.startswith("TIMESTAMP") or type_ == "DATE":
        return f"cast({name} as timestamp)"
    if type_ in {"VARCHAR", "JSON"}:  # text without a zone is taken as UTC
        return f"timezone('UTC', try_cast({as_text(column, type_)} as timestamptz))"
    raise ContractBroken(
        f"log {log.log!r}, day {log.day}: {column} has type {type_} in {log.folder}; "
        "a time must be a timestamp or ISO 8601 text, in UTC"
    )


def require_columns(log: DayLog, columns: dict[str, str], needed: dict[str, str]) -> None:
    """Refuse a day whose log lacks a column.

    Args:
        log: The day.
        columns: The columns that the day has.
        needed: The columns that must be there, each with who needs it.

    Raises:
        DataError: The files are empty.
        ContractBroken: A column is missing.
    """
    if not any(file.stat().st_size for file in log.files):
        raise DataError(
            f"log {log.log!r} has an empty day: {log.files[0]} holds nothing; write the day, then run it again"
        )
    missing = [f"{name} (needed by {why})" for name, why in needed.items() if name not in columns]
    if missing:
        raise ContractBroken(
            f"log {log.log!r}, day {log.day}: {log.folder} has no column {', '.join(missing)}; "
            f"it has {', '.join(columns)}. Correct the log, or the name in the experiment file"
        )


def _relation(log: DayLog, *, as_json: bool = False) -> str:
    files = "[" + ", ".join(literal(str(file)) for file in log.files) + "]"
    match log.format:
        case LogFormat.PARQUET:
            return f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
        case LogFormat.JSONL:
            # The whole file is sampled: a key that first occurs late, such as an error, is a column too.
            depth = ", maximum_depth = 1" if as_json else ""
            return (
                f"read_json({files}, format = 'newline_delimited', union_by_name = true, sample_size = -1, "
                f"hive_partitioning = false{depth})"
            )
        case LogFormat.CSV:
            return (
                f"read_csv({files}, header = true, all_varchar = true, union_by_name = true, hive_partitioning = false)"
            )


def _first_broken(log: DayLog) -> str | None:
    """The first file that cannot be read on its own, and for JSONL the first line."""
    import duckdb

    for file in log.files:
        if log.format is LogFormat.JSONL:
            line = _first_line_not_json(file)
            if line:
                return f"{file}, line {line[0]}: not a JSON object: {line[1]!r}"
            continue
        alone = DayLog(log=log.log, day=log.day, format=log.format, files=(file,))
        try:
            duckdb.connect(":memory:").execute(f"select count(*) from {_relation(alone)}").fetchall()
        except duckdb.Error as error:
            return f"{file}: {str(error).splitlines()[0]}"
    return None


def _first_line_not_json(file: Path) -> tuple[int, str] | None:
    opener = gzip.open if file.name.endswith(".gz") else open
    number, line = 0, ""
    with opener(file, "rt", encoding="utf-8", errors="replace") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if line.strip() and not isinstance(json.loads(line), dict):
                    return number, line.strip()[:80]
        except ValueError:
            return number, line.strip()[:80]
        except (EOFError, OSError) as broken:  # a compressed file that was cut
            return number + 1, str(broken)
    return None
