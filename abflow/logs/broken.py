"""Which file cannot be read, and which line of it: asked only after reading has failed, so it may be slow."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from abflow.logs.formats import LogFormat
from abflow.logs.relations import header_of, relation_of, unpacked
from abflow.logs.resources import connection

if TYPE_CHECKING:
    from abflow.logs.layout import DayLog, LogFile

NOT_UTF8 = "is not UTF-8 text"
# The most that DuckDB reads as one row of CSV; Python's reader gives up at a sixteenth of it.
MOST_BYTES_IN_A_ROW = 2_097_152


def first_broken(log: DayLog) -> str | None:
    """The first file that cannot be read on its own, where, and why; None when each of them can."""
    import duckdb

    for file in log.files:
        line = _first_broken_line(file, log)
        if line:
            return f"{file}, line {line}"
        try:
            with connection() as db:
                query, _ = relation_of(db, replace(log, files=(file,)), as_json=True)
                db.execute(f"select count(hash(rows)) from ({query}) as rows").fetchall()
        except duckdb.Error as error:
            return f"{file}: {in_short(error)}"
    return None


def in_short(error: BaseException) -> str:
    """What an error says, without DuckDB's advice and Python's traceback."""
    lines = [line.strip() for line in str(error).split("\n\n")[0].split("\nLINE ")[0].splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def _first_broken_line(file: LogFile, log: DayLog) -> str | None:
    number = 0
    lines = {LogFormat.JSONL: _not_json, LogFormat.CSV: _not_like_the_first, LogFormat.PARQUET: _no_lines}[log.format]
    with unpacked(file) as content:
        try:
            for number, wrong in lines(content):
                if wrong:
                    return f"{number}: {wrong}"
        except (EOFError, OSError, zlib.error) as error:  # a compressed file that was cut
            return f"{number + 1}: {error}"
    return None


def _no_lines(_: IO[bytes]) -> Iterator[tuple[int, str]]:
    return iter(())


def _not_json(content: IO[bytes]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(content, start=1):
        try:
            sound = not line.strip() or isinstance(json.loads(line), dict)
        except ValueError:
            sound = False
        yield number, "" if sound else f"not a JSON object: {line.strip()[:80].decode(errors='replace')!r}"


def _not_like_the_first(content: IO[bytes]) -> Iterator[tuple[int, str]]:
    text = io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="")
    first = last = text.readline()
    if _is_not_utf8(first):
        yield 1, NOT_UTF8
        return
    delimiter, *names = header_of(first)
    size = 0

    def remembered(line: str) -> str:
        nonlocal last, size
        last, size = line, size + len(line.encode("utf-8", "surrogateescape"))
        return line

    csv.field_size_limit(2**31 - 1)

    rows = csv.reader(map(remembered, text), delimiter=delimiter, strict=True)
    number = 1
    try:
        for row in rows:
            fields = len(row) - (len(row) > len(names) and not row[-1])
            number, wrong = rows.line_num + 1, ""
            if row and fields != len(names):
                wrong = (
                    f"{len(row)} fields where the first line names {len(names)} columns: {delimiter.join(row)[:80]!r}"
                )
            elif any(map(_is_not_utf8, row)):
                wrong = NOT_UTF8
            elif size > MOST_BYTES_IN_A_ROW:
                wrong = f"a row of {size} bytes, where one of CSV may have {MOST_BYTES_IN_A_ROW}; write it as Parquet"
            elif _end_of(last) not in {"", _end_of(first)}:
                wrong = f"ends with {_end_of(last)!r} where the first line ends with {_end_of(first)!r}"
            yield number, wrong
            size = 0
    except csv.Error as error:  # the row begins here, wherever the reader gave up
        never = str(error) == "unexpected end of data"
        yield number + 1, "a quoted text begins and never ends" if never else str(error)


def _is_not_utf8(text: str) -> bool:
    """Whether it holds bytes that were kept because they are no UTF-8, such as those of UTF-16."""
    return any("\udc80" <= character <= "\udcff" for character in text)


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
