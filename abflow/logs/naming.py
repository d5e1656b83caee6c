"""A log's columns under our names, when the experiment file says that they have others there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abflow.errors import ContractBroken
from abflow.logs.database import Database
from abflow.logs.expressions import identifier, literal
from abflow.logs.formats import LogFormat
from abflow.logs.relations import Types

if TYPE_CHECKING:
    from abflow.logs.layout import DayLog

_ON_OCCASION = {"error", "shadow_error", "fallback"}  # JSONL need not have the key on a day when nothing went wrong


def renamed(opened: Database, log: DayLog, query: str, columns: Types) -> str:
    """The query with its columns under our names.

    Args:
        opened: The connection.
        log: The day, which says what each of our columns is called in the log.
        query: What reads the log under its own names.
        columns: The columns that it has.

    Raises:
        ContractBroken: The log has no such column.
    """
    chosen = {}
    for ours, theirs in log.columns.items():
        expression = _column(theirs, columns)
        if expression and _is_there(opened, expression, query, nested=theirs not in columns):
            chosen[ours] = expression
        elif log.format is not LogFormat.JSONL or ours not in _ON_OCCASION:
            raise ContractBroken(
                f"log {log.log!r}, day {log.day}: logs.{log.log}.columns says that {ours} is called {theirs!r}, and "
                f"{log.folder} has no such column; it has {', '.join(f'{n} {t}' for n, t in columns.items())}"
            )
    taken = {*log.columns, *log.columns.values()}
    chosen |= {name: identifier(name) for name in columns if name not in taken}
    return f"select {', '.join(f'{sql} as {identifier(name)}' for name, sql in chosen.items())} from ({query})"


def _column(theirs: str, columns: Types) -> str | None:
    """A column by its name in the log, or a field inside a column by its path; None when there is no such column."""
    if theirs in columns:
        return identifier(theirs)
    outer, *fields = theirs.split(".")
    if not fields or outer not in columns:
        return None
    if columns[outer] == "JSON":
        path = "".join(f'."{field}"' for field in fields)
        return f"({identifier(outer)} -> {literal('$' + path)})"
    return ".".join(identifier(part) for part in (outer, *fields))


def _is_there(opened: Database, expression: str, query: str, *, nested: bool) -> bool:
    """Whether a field inside a column exists: in the column's type, and for JSON in some row."""
    import duckdb

    if not nested:
        return True
    try:
        found = opened.execute(f"select 1 from ({query}) where {expression} is not null limit 1").fetchall()
    except duckdb.BinderException:
        return False
    return bool(found) or "->" not in expression
