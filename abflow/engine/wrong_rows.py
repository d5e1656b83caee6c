"""Rows that cannot count: the first of them with its file and number, so that somebody finds it in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from abflow.errors import DataError
from abflow.logs.layout import DayLog, LogFormat
from abflow.logs.reading import as_id, as_number, as_text, connection, of_day, open_day, reading
from abflow.logs.resources import Resources

Types = dict[str, str]

_IN_ORDER = Resources(threads=1)  # several threads would number the rows as they come


def first_of_them(log: DayLog, shown: Iterable[str], wrong: Callable[[DayLog, Types], str]) -> str:
    """A sentence that begins with a space: where the first such row of a day stands, and what it says.

    DuckDB looks for it whatever engine the experiment has: only there do the rows of a file have an order.

    Args:
        log: The day.
        shown: Columns of the log that are told, as far as it has them.
        wrong: SQL text: whether a row of a file is such a row, by the types of the file's columns.
    """
    for file in log.files:
        alone = replace(log, files=(file,), by_timestamp=False)  # the rows of other days count, for the number
        try:
            with connection(_IN_ORDER) as db, reading(alone):
                types = open_day(db, alone, view="one_file", as_json=True)
                names = [name for name in dict.fromkeys(shown) if name in types]
                texts = "".join(f", {as_text(name, types[name])}" for name in names)
                todays = of_day(alone, types) if log.by_timestamp else "true"
                found = db.execute(
                    f'select "row number"{texts} from (select row_number() over () as "row number", * from one_file) '
                    f"where {todays} and ({wrong(alone, types)}) order by 1 limit 1"
                ).fetchall()
        except DataError:  # the file has no row
            continue
        if found:
            number, *values = found[0]
            below = " below the names of the columns" if log.format is LogFormat.CSV else ""
            told = (f"{name} {_said(text)}" for name, text in zip(names, values, strict=True))
            return f" The first of them is row {number}{below} of {file}: {', '.join(told)}."
    return ""


def _said(text: str | None) -> str:
    return "missing" if text is None else repr(text)


def text_of(types: Types, name: str) -> str:
    """SQL text: a column as text; null where a file does not have it."""
    return as_text(name, types[name]) if name in types else "cast(null as varchar)"


def id_of(types: Types, name: str) -> str:
    """SQL text: a column as an id; null where a file does not have it."""
    return as_id(name, types[name]) if name in types else "cast(null as varchar)"


def number_of(types: Types, name: str) -> str:
    """SQL text: a column as a number; null where a file does not have it."""
    return as_number(name, types[name]) if name in types else "cast(null as double)"
