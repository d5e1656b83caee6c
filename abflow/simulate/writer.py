"""Rows become files of a day, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from abflow.errors import DataError
from abflow.simulate.rows import Rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Format = Literal["parquet", "jsonl", "csv"]

_COPY_OPTIONS: dict[Format, str] = {
    "parquet": "format parquet, compression snappy",
    "jsonl": "format json, array false",
    "csv": "format csv, header true",
}


@contextlib.contextmanager
def open_writer() -> Iterator[DuckDBPyConnection]:
    """A DuckDB that keeps rows in the order in which they are given."""
    import duckdb  # noqa: PLC0415  heavy, and only writing needs it

    with duckdb.connect(config={"preserve_insertion_order": True}) as connection:
        yield connection


def day_file(log: Path, day: date, format: Format) -> Path:  # noqa: A002  the word users know
    """Where the rows of a day stand."""
    return log / f"date={day.isoformat()}" / f"part-0.{format}"


def write_rows(connection: DuckDBPyConnection, rows: Rows, select: str, path: Path) -> None:
    """Write one file; whoever looks sees the old file, no file, or the whole new one.

    Args:
        connection: From `open_writer`.
        rows: Columns of numbers.
        select: SQL that turns the table `drawn` into the log's columns.
        path: The file; its ending names the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    options = next(text for name, text in _COPY_OPTIONS.items() if path.suffix == f".{name}")
    connection.register("drawn", rows)
    try:
        connection.execute(f"copy ({select}) to {quoted(str(draft))} ({options})")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
        connection.unregister("drawn")


def refuse_strangers(log: Path, files: set[Path]) -> None:
    """Stop before rows of this simulation mingle with others.

    Raises:
        DataError: The folder holds a file that this simulation would not replace.
    """
    for found in sorted(log.rglob("*")):
        if found.is_file() and not found.name.startswith(".") and found not in files:
            raise DataError(
                f"{log} already holds {found.relative_to(log)}, which this simulation would not replace; "
                "remove it, or simulate into another folder"
            )


def quoted(text: str) -> str:
    """A text as SQL literal."""
    return "'" + text.replace("'", "''") + "'"
