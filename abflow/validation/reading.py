"""A shadow log's files as one table in memory, whatever their format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abflow.errors import DataError
from abflow.validation.contract import Column, Kind, LogContract

if TYPE_CHECKING:
    import duckdb

_FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
}


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
def loaded(
    contract: LogContract, days: Iterable[Sequence[Path]], *, threads: int | None = None
) -> Iterator[LoadedLog]:
    """Read a log's files, one sequence per day, into a database that lives as long as the block.

    After reading, the database works on one thread: sums of fractions and the first rows of an answer would
    otherwise depend on which thread was ready first, and the same log must give the same bytes.
    """
    import duckdb  # noqa: PLC0415  parsing a DAG must not load DuckDB

    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}
    if threads:
        config["threads"] = threads
    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute("set timezone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        missing: set[str] = set()
        for number, files in enumerate(days):
            missing |= _load(connection, contract, files, first=number == 0)
            if missing:
                break  # a day without a column cannot be put under another that has it
        connection.execute("set threads = 1")
        counted = connection.execute("select count(*) from log").fetchall()
        yield LoadedLog(connection=connection, missing=frozenset(missing), rows=counted[0][0])
    finally:
        connection.close()


def _load(
    connection: duckdb.DuckDBPyConnection, contract: LogContract, files: Sequence[Path], *, first: bool
) -> set[str]:
    """Add one day's files to the table, and return the required columns that they lack."""
    import duckdb  # noqa: PLC0415  see above

    relation = _relation_sql(files)
    try:
        described = connection.execute(f"describe select * from {relation}").fetchall()  # noqa: S608  paths, quoted below
        types = {name: type_ for name, type_, *_ in described}
        missing = {name for name in contract.required if name not in types}
        columns = ", ".join(_column_sql(c, types) for c in contract.columns if c.name not in missing)
        into = "create table log as" if first else "insert into log by name"
        connection.execute(f"{into} select {columns} from {relation}")  # noqa: S608  the same
    except duckdb.Error as problem:
        raise _unreadable(connection, files, problem) from problem
    return missing


def _relation_sql(files: Sequence[Path]) -> str:
    """DuckDB table function over files of one format; what they hold is not interpreted yet."""
    formats = {_format_of(file) for file in files}
    if len(formats) != 1:
        raise DataError(
            f"{len(files)} files from {files[0]} on mix {', '.join(sorted(formats))}; write one a day"
            if files
            else "no files were given for the shadow log; is its location right, and does the day have data?"
        )
    listed = "[" + ", ".join(_quoted(str(file)) for file in files) + "], union_by_name = true"
    match formats.pop():
        case "parquet":
            return f"read_parquet({listed}, hive_partitioning = false)"
        case "jsonl":
            # The whole file is sampled: a key that first occurs late, such as an error, is a column too.
            options = (
                "format = 'newline_delimited', maximum_depth = 1, sample_size = -1, hive_partitioning = false"
            )
            return f"read_json({listed}, {options})"
        case _:
            options = "all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"'"
            return f"read_csv({listed}, {options}, hive_partitioning = false)"


def _format_of(file: Path) -> str:
    suffix = file.with_suffix("").suffix if file.suffix == ".gz" else file.suffix
    if suffix not in _FORMATS:
        raise DataError(
            f"{file}: a shadow log cannot be read from this kind of file; "
            f"write one of {', '.join(_FORMATS)} (text also as .gz)"
        )
    return _FORMATS[suffix]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _column_sql(column: Column, types: dict[str, str]) -> str:
    """The column as text, empty text being no value (CSV cannot tell them apart), and its typed value."""
    given = f'"{column.name}"'
    match types.get(column.name):
        case None:
            text = "null::varchar"
        case "JSON":
            text = f"nullif({given} ->> '$', '')"
        case type_ if type_.endswith("]") or type_.startswith("STRUCT"):
            text = f"to_json({given})::varchar"
        case _:
            text = f"nullif({given}::varchar, '')"
    match column.kind:
        case Kind.TEXT:
            return f"{text} as {column.name}"
        case Kind.NUMBER:
            number = f"try_cast({text} as double)"
            value = f"case when isfinite({number}) then {number} end"
        case Kind.TIMESTAMP:
            value = f"try_cast({text} as timestamptz)::timestamp"
        case Kind.YES_NO:
            value = f"try_cast({text} as boolean)"
    return f"{text} as {column.name}, {value} as {column.value}"


def _unreadable(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], problem: Exception
) -> DataError:
    """Name the first file that cannot be read alone, and what DuckDB says of it."""
    import duckdb  # noqa: PLC0415  see above

    for file in files:
        try:
            relation = _relation_sql([file])
            connection.execute(f"create or replace temp table probe as select * from {relation}")  # noqa: S608
        except duckdb.Error as alone:
            said = (_format_of(file) == "jsonl" and _bad_line(file)) or _said(alone)
            return DataError(f"{file} cannot be read: {said}; write the file again, whole")
    return DataError(
        f"{files[0]} and {len(files) - 1} more can be read one by one but not together: {_said(problem)}; "
        "write the same columns with the same types into every file of a day"
    )


def _bad_line(file: Path) -> str | None:
    """The first line that is not JSON; DuckDB's own line numbers can be off by one."""
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                try:
                    json.loads(line) if line.strip() else None
                except ValueError:
                    return f"line {number} is not JSON: {line[:80]!r}"
        except (EOFError, OSError) as broken:
            return f"it cannot be unpacked ({broken})"
    return None


def _said(problem: Exception) -> str:
    return " ".join(str(problem).split("\n\n")[0].split())[:400]
