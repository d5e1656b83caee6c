"""A shadow log's files as one table in memory, whatever their format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abflow.logs.cost import count_read
from abflow.logs.expressions import as_text, identifier, utc_of_text
from abflow.logs.layout import DayLog
from abflow.logs.reading import open_day, reading
from abflow.logs.resources import Resources, connection
from abflow.validation.contract import Column, Kind, LogContract

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedLog:
    """A log in the table `log`: each column as logged, and `<column>__value` where it has a type.

    Attributes:
        connection: The in-memory database that holds the table.
        missing: Required columns that no file has.
        rows: Number of rows.
    """

    connection: duckdb.DuckDBPyConnection
    missing: frozenset[str]
    rows: int


@contextmanager
def loaded(contract: LogContract, days: Iterable[DayLog], *, threads: int | None = None) -> Iterator[LoadedLog]:
    """Read days of a log into a database that lives as long as the block.

    After reading, the database works on one thread: sums of fractions and the first rows of an answer would
    otherwise depend on which thread was ready first, and the same log must give the same bytes.
    """
    with connection(Resources(threads=threads)) as opened:
        missing: set[str] = set()
        for number, day in enumerate(days):
            missing |= _load(opened, contract, day, first=number == 0)
            if missing:
                break  # a day without a column cannot be put under another that has it
        opened.execute("set threads = 1")
        counted = opened.execute("select count(*) from log").fetchall()
        count_read(rows=counted[0][0])
        yield LoadedLog(connection=opened, missing=frozenset(missing), rows=counted[0][0])


def _load(opened: duckdb.DuckDBPyConnection, contract: LogContract, day: DayLog, *, first: bool) -> set[str]:
    """Add one day to the table, and return the required columns that it lacks."""
    types = open_day(opened, day, view="logged", as_json=True)
    missing = {name for name in contract.required if name not in types}
    columns = ", ".join(_column_sql(c, types) for c in contract.columns if c.name not in missing)
    into = "create temp table log as" if first else "insert into log by name"
    with reading(day):
        opened.execute(f"{into} select {columns} from logged")
    return missing


def _column_sql(column: Column, types: dict[str, str]) -> str:
    """The column as text, empty text being no value (CSV cannot tell them apart), and its typed value."""
    match types.get(column.name):
        case None:
            text = "null::varchar"
        case type_ if type_.endswith("]") or type_.startswith("STRUCT"):
            text = f"to_json({identifier(column.name)})::varchar"
        case type_:
            text = f"nullif({as_text(column.name, type_)}, '')"
    match column.kind:
        case Kind.TEXT:
            return f"{text} as {column.name}"
        case Kind.NUMBER:
            number = f"try_cast({text} as double)"
            value = f"case when isfinite({number}) then {number} end"
        case Kind.TIMESTAMP:
            value = utc_of_text(text)
        case Kind.YES_NO:
            value = f"try_cast({text} as boolean)"
    return f"{text} as {column.name}, {value} as {column.value}"
