"""Where a row stands: asked only after a day was refused, so it may be slow."""

from __future__ import annotations

from dataclasses import replace

from abflow.logs.layout import DayLog
from abflow.logs.reading import as_text, literal, of_day, open_day, reading, utc
from abflow.logs.resources import Resources, connection


def first_without(log: DayLog, column: str, *, only: tuple[str, str] | None = None) -> str | None:
    """The first row of a day that has nothing readable in a column, such as `logs/a.csv, row 3`.

    Args:
        log: The day.
        column: The column, by our name.
        only: A column and the text that rows must have in it to count, such as those of one experiment.
    """
    for file in log.files:
        if not file.size:
            continue
        alone = replace(log, files=(file,), by_timestamp=False)
        # On one thread rows come in the order of the file.
        with connection(Resources(threads=1)) as db, reading(alone):
            columns = open_day(db, alone, view="day", as_json=True)
            wanted = of_day(log, columns) if log.by_timestamp else "true"
            if only:
                name, text = only
                wanted += f" and {as_text(name, columns[name])} = {literal(text)}" if name in columns else " and false"
            met = f"{_readable(column, columns, log)} is null and {wanted}"
            found = db.execute(
                f"select min(number) from (select row_number() over () as number, {met} as met from day) where met"
            ).fetchall()
            if found[0][0] is not None:
                return f"{file}, row {found[0][0]}"
    return None


def _readable(column: str, columns: dict[str, str], log: DayLog) -> str:
    if column not in columns:
        return "null"
    return utc(column, columns[column], log) if column == "timestamp" else as_text(column, columns[column])
