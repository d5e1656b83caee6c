"""The SQL of the engine, one statement per file, and the few ways in which it is run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from abflow.logs.cost import count_read
from abflow.logs.database import Database
from abflow.logs.reading import identifier, literal


@cache
def statement(name: str) -> str:
    """The SQL of one step, by the name of its file."""
    return (files("abflow.engine") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def filled(name: str, **parts: str) -> str:
    """A statement with its `{parts}` filled in: lists of columns, which no bound parameter can stand for."""
    text = statement(name)
    for part, sql in parts.items():
        text = text.replace("{" + part + "}", sql)
    return text


def make(db: Database, table: str, query: str, **parameters: Any) -> None:
    """Make the rows of a query a table."""
    db.execute(f"create or replace temp table {identifier(table)} as {query}", _bound(query, parameters))


def show(db: Database, view: str, query: str) -> None:
    """Make a query a view."""
    db.execute(f"create or replace temp view {identifier(view)} as {query}")


def read(db: Database, view: str, paths: list[Path]) -> None:
    """Make Parquet files one view, and count what they hold into the cost of the step."""
    listed = ", ".join(literal(str(path)) for path in paths)
    held = one(db, f"select sum(num_rows) from parquet_file_metadata([{listed}])")
    count_read(rows=held, size=sum(path.stat().st_size for path in paths))
    show(db, view, f"select * from read_parquet([{listed}], hive_partitioning = false)")


def write(db: Database, query: str, file: Path, **parameters: Any) -> None:
    """Write the rows of a query into a Parquet file."""
    # Level 1 packs ids and times as tightly as the default, level 3, in three quarters of its time.
    kind = "format parquet, compression zstd, compression_level 1"
    db.execute(f"copy ({query}) to {literal(str(file))} ({kind})", _bound(query, parameters))


def rows(db: Database, query: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """The rows of a query, by the names of their columns."""
    found = db.execute(query, _bound(query, parameters))
    columns = [column[0] for column in found.description]
    return (dict(zip(columns, row, strict=True)) for row in found.fetchall())


def one(db: Database, query: str, **parameters: Any) -> int:
    """The whole number that a query counts."""
    row = db.execute(query, _bound(query, parameters)).fetchone()
    return int(row[0] or 0) if row else 0


def _bound(query: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a statement has; DuckDB refuses others."""
    return {name: value for name, value in parameters.items() if f"${name}" in query}
