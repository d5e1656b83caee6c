"""DuckDB as the reader of logs: one connection, one relation per day, one error per broken file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from abflow.errors import ContractBroken, DataError, LogMissing
from abflow.logs import expressions
from abflow.logs.broken import first_broken, in_short
from abflow.logs.cost import count_read
from abflow.logs.database import Database
from abflow.logs.expressions import as_boolean, as_id, as_number, as_text, identifier, literal
from abflow.logs.layout import DayLog
from abflow.logs.naming import renamed
from abflow.logs.relations import described, relation_of
from abflow.logs.resources import connection

__all__ = [
    "as_boolean",
    "as_id",
    "as_number",
    "as_text",
    "connection",
    "identifier",
    "literal",
    "of_day",
    "open_day",
    "reading",
    "require_columns",
    "utc",
]


def open_day(opened: Database, log: DayLog, *, view: str, as_json: bool = False) -> dict[str, str]:
    """Make one day of a log a view under our names of its columns, and return these with their DuckDB types.

    Args:
        opened: The connection.
        log: The day.
        view: The view's name.
        as_json: Leave the values of JSONL files as JSON instead of guessing their types.

    Raises:
        LogMissing: The day is told by timestamps, and no row is of it.
        DataError: A file is empty, truncated, not what its name says, or not readable.
        ContractBroken: A column is not there under the name that the experiment file gives for it.
    """
    _refuse_empty(log)
    count_read(size=log.size)
    with reading(log):
        query, columns = relation_of(opened, log, as_json=as_json)
        if log.columns:
            query = renamed(opened, log, query, columns)
            columns = described(opened, query)
        if log.by_timestamp:
            query = f"select * from ({query}) where {of_day(log, columns)}"
        opened.execute(f"create or replace temp view {identifier(view)} as {query}")
        if log.by_timestamp and not opened.execute(f"select 1 from {identifier(view)} limit 1").fetchall():
            raise LogMissing(
                f"log {log.log!r} has no day {log.day}: no row in {log.folder} has a timestamp of that day; "
                "run again once they are there"
            )
    return columns


@contextmanager
def reading(log: DayLog) -> Iterator[None]:
    """Turn the complaint of DuckDB or of a storage about a file into one that says which file and what to do."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError, EOFError, UnicodeDecodeError) as error:
        where = f"log {log.log!r}, day {log.day}"
        culprit = first_broken(log)
        if culprit:
            raise DataError(
                f"{where}: cannot be read. {culprit}. Write the file again, whole; then run this day again"
            ) from error
        if isinstance(error, duckdb.ProgrammingError):
            raise  # no file is to blame
        more = "give DuckDB more room (ABFLOW_MEMORY_LIMIT, ABFLOW_SPILL)"
        if os.strerror(errno.ENOSPC) in str(error):
            more = "make room on the disk that is full"
        advice = getattr(error, "advice", more)
        raise DataError(
            f"{where}: {in_short(error)}. Each file of {log.folder} can be read by itself; {advice}, "
            "then run this day again"
        ) from error


def utc(column: str, type_: str, log: DayLog) -> str:
    """DuckDB expression that reads a column as a UTC timestamp without zone; what cannot be read becomes null.

    Raises:
        ContractBroken: The column cannot be a time.
    """
    expression = expressions.utc(column, type_)
    if expression is None:
        raise ContractBroken(
            f"log {log.log!r}, day {log.day}: {column} has type {type_} in {log.folder}; a time must be a timestamp, "
            "ISO 8601 text, or a whole number that counts seconds, milli-, micro- or nanoseconds since 1970; in UTC"
        )
    return expression


def require_columns(log: DayLog, columns: dict[str, str], needed: dict[str, str]) -> None:
    """Refuse a day whose log lacks a column.

    Args:
        log: The day.
        columns: The columns that the day has.
        needed: The columns that must be there, each with who needs it.

    Raises:
        ContractBroken: A column is missing.
    """
    missing = [f"{name} (needed by {why})" for name, why in needed.items() if name not in columns]
    if missing:
        raise ContractBroken(
            f"log {log.log!r}, day {log.day}: {log.folder} has no column {', '.join(missing)}; it has "
            f"{', '.join(columns)}. Correct the log, or say in logs.{log.log}.columns what the column is called there"
        )


def of_day(log: DayLog, columns: dict[str, str]) -> str:
    """Rows of the day; rows without a readable time are of every day, so that every day refuses them."""
    require_columns(log, columns, {"timestamp": "telling which day a row is of"})
    happened = utc("timestamp", columns["timestamp"], log)
    return f"coalesce(cast({happened} as date) = date '{log.day}', true)"


def _refuse_empty(log: DayLog) -> None:
    if not log.size:
        raise DataError(
            f"log {log.log!r} has an empty day: {log.files[0]} holds nothing; write the day, then run it again"
        )
