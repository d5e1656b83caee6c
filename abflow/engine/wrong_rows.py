"""Rows that cannot count: one of them with its file, so that somebody finds it in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from abflow.errors import DataError
from abflow.logs.database import Database
from abflow.logs.layout import DayLog
from abflow.logs.reading import as_text, identifier, open_day, reading

Types = dict[str, str]


def one_of_them(db: Database, log: DayLog, shown: Iterable[str], wrong: Callable[[DayLog, Types], str]) -> str:
    """A sentence that begins with a space: the first file of a day with such a row, and what the row says.

    Args:
        db: A connection.
        log: The day.
        shown: Columns of the log that are told, as far as it has them.
        wrong: SQL text: whether a row of a file is such a row, by the types of the file's columns.
    """
    for file in log.files:
        alone = replace(log, files=(file,))
        try:
            types = open_day(db, alone, view="one_file", as_json=True)
            names = [name for name in dict.fromkeys(shown) if name in types]
            texts = ", ".join(f"{as_text(name, types[name])} as {identifier(name)}" for name in names)
            order = ", ".join(map(str, range(1, len(names) + 1)))
            query = f"select {texts} from one_file where {wrong(alone, types)} order by {order} limit 1"
            with reading(alone):
                found = db.execute(query).fetchall()
        except DataError:  # the file has no row, or not of this day
            continue
        if found:
            told = (f"{name} {_said(text)}" for name, text in zip(names, found[0], strict=True))
            return f" One of them stands in {file}: {', '.join(told)}."
    return ""


def _said(text: str | None) -> str:
    return "missing" if text is None else repr(text)


def text_of(types: Types, name: str) -> str:
    """SQL text: a column as text; null where a file does not have it."""
    return as_text(name, types[name]) if name in types else "cast(null as varchar)"
