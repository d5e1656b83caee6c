"""A day's files as one relation of DuckDB: what is read is decided here, and nothing is left to guessing."""

from __future__ import annotations

import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from abflow.errors import ContractBroken, DataError
from abflow.logs.database import Database
from abflow.logs.expressions import as_text, identifier, is_fractional, is_whole, literal
from abflow.logs.files import ObjectStore, storage_of
from abflow.logs.formats import LogFormat

if TYPE_CHECKING:
    from abflow.logs.layout import DayLog, LogFile

_DELIMITERS = ",;\t|"
Types = dict[str, str]


def relation_of(opened: Database, log: DayLog, *, as_json: bool) -> tuple[str, Types]:
    """A query that reads the day's files under the log's own names, and its columns with their DuckDB types.

    Raises:
        DataError: The files are empty, or a file cannot be a file of its format.
    """
    _let_read(opened, log)
    match log.format:
        case LogFormat.PARQUET:
            query = _parquet(opened, log)
            return query, described(opened, query)
        case LogFormat.JSONL:
            return _jsonl(opened, log, as_json=as_json)
        case LogFormat.CSV:
            return _csv(log)


def described(opened: Database, query: str) -> Types:
    """The columns of a query with their types."""
    return {str(row[0]): str(row[1]) for row in opened.execute(f"describe {query}").fetchall()}


def _let_read(opened: Database, log: DayLog) -> None:
    """Give the connection the object stores that the day lies in."""
    import duckdb

    for scheme in {file.path.partition("://")[0] for file in log.files if "://" in file.path}:
        if not isinstance(opened, duckdb.DuckDBPyConnection):
            raise DataError(
                f"log {log.log!r}, day {log.day}: {log.folder} lies in an object store, for which Spark needs a "
                "connector of its own that abflow does not set up yet; mount it as a folder that every worker has, or "
                "set engine: duckdb"
            )
        storage = storage_of(f"{scheme}://")
        if isinstance(storage, ObjectStore) and not opened.filesystem_is_registered(scheme):
            from abflow.logs.in_place import InPlace

            opened.register_filesystem(InPlace(storage.filesystem, scheme))


def _parquet(opened: Database, log: DayLog) -> str:
    """Files whose columns have the same kinds of types are read together, all others as text.

    DuckDB would read the id 7 of one file and the same id 7.0 of another, a float, as two texts.
    """
    types = _parquet_types(opened, log)
    kinds: dict[str, set[str]] = defaultdict(set)
    for columns in types.values():
        for name, type_ in columns.items():
            kinds[name].add(_kind(type_))
    mixed = [name for name, found in kinds.items() if len(found - {"nothing"}) > 1]
    groups: dict[tuple[str, ...], list[LogFile]] = defaultdict(list)
    for file in log.files:
        groups[tuple(types.get(file.path, {}).get(name, "") for name in mixed)].append(file)
    queries = []
    for of_mixed, group in groups.items():
        texts = [
            f"{as_text(name, type_)} as {identifier(name)}"
            for name, type_ in zip(mixed, of_mixed, strict=True)
            if type_
        ]
        replaced = f" replace ({', '.join(texts)})" if texts else ""
        queries.append(
            f"select *{replaced} from read_parquet({_list(group)}, union_by_name = true, hive_partitioning = false)"
        )
    return " union all by name ".join(queries)


def _parquet_types(opened: Database, log: DayLog) -> dict[str, Types]:
    """The types of the outermost columns, by file.

    Raises:
        ContractBroken: A file has two columns of one name, of which DuckDB would give the second another name.
    """
    types: dict[str, Types] = {file.path: {} for file in log.files}
    names: dict[str, set[str]] = {file.path: set() for file in log.files}
    inside: dict[str, int] = {}  # fields that still belong to the column before
    for path, name, type_, children in opened.execute(
        f"select file_name, name, duckdb_type, num_children from parquet_schema({_list(log.files)}) "
        "order by file_name, column_id"
    ).fetchall():
        within = inside.get(path)
        if within is None:  # the root
            inside[path] = 0
            continue
        if not within:
            if name.lower() in names[path]:
                raise ContractBroken(
                    f"log {log.log!r}, day {log.day}: {path} has two columns {name!r}; name each column once, in large "
                    "and small letters alike"
                )
            names[path].add(name.lower())
            types[path][name] = type_
        inside[path] = max(within - 1, 0) + (children or 0)
    return types


def _kind(type_: str) -> str:
    if is_whole(type_):
        return "whole"
    if is_fractional(type_):
        return "fractional"
    if type_.startswith("TIMESTAMP") or type_ == "DATE":
        return "time"
    return {'"NULL"': "nothing"}.get(type_, type_.partition("(")[0])


def _jsonl(opened: Database, log: DayLog, *, as_json: bool) -> tuple[str, Types]:
    """Every line is an object. All of them are looked at: a key that first occurs late is a column too."""
    groups: dict[bool, list[LogFile]] = defaultdict(list)
    for file in _filled(log):
        groups[file.is_packed].append(file)

    def read(options: str) -> str:
        return " union all by name ".join(
            f"select * from read_json({_list(group)}, format = 'newline_delimited', records = true, "
            f"{_unpacking(group[0])}, {options})"
            for group in groups.values()
        )

    looked = "union_by_name = true, sample_size = -1"
    if not as_json:
        return read(looked), described(opened, read(looked))
    found = described(opened, read(f"{looked}, maximum_depth = 1"))
    columns = ", ".join(f"{literal(name)}: 'JSON'" for name in found)
    return read(f"columns = {{{columns}}}"), dict.fromkeys(found, "JSON")


def _csv(log: DayLog) -> tuple[str, Types]:
    """Every file begins with the names of its columns; files with the same first line are read together."""
    groups: dict[tuple[bool, tuple[str, ...]], list[LogFile]] = defaultdict(list)
    for file in _filled(log):
        groups[file.is_packed, _header(file, log)].append(file)
    queries: list[str] = []
    types: Types = {}
    for (_, (delimiter, *names)), group in groups.items():
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
        queries.append(
            f"select * from read_csv({_list(group)}, auto_detect = false, header = true, delim = {literal(delimiter)}, "
            f"""quote = '"', escape = '"', columns = {{{columns}}}, {_unpacking(group[0])})"""
        )
        types |= dict.fromkeys(names, "VARCHAR")
    return " union all by name ".join(queries), types


def _unpacking(file: LogFile) -> str:
    """Options of reading text; what stands in the folders' names is no column."""
    return f"compression = '{'gzip' if file.is_packed else 'none'}', hive_partitioning = false"


def _filled(log: DayLog) -> list[LogFile]:
    filled = [file for file in log.files if file.size and not (file.is_packed and _unpacks_to_nothing(file))]
    if not filled:
        raise DataError(
            f"log {log.log!r} has an empty day: {log.files[0]} holds nothing; write the day, then run it again"
        )
    return filled


def _unpacks_to_nothing(file: LogFile) -> bool:
    with unpacked(file) as content:
        return not content.read(1)


def header_of(line: str) -> tuple[str, ...]:
    """The delimiter and the names of the columns, from the first line of a CSV file."""
    delimiter = max(_DELIMITERS, key=line.count)
    return (delimiter, *next(csv.reader([line], delimiter=delimiter)))


@contextmanager
def unpacked(file: LogFile) -> Iterator[IO[bytes]]:
    """A file's bytes, as they were before they were compressed."""
    with file.open() as stream:
        if file.is_packed:
            with gzip.open(stream) as content:
                yield cast("IO[bytes]", content)
        else:
            yield cast("IO[bytes]", stream)


def _header(file: LogFile, log: DayLog) -> tuple[str, ...]:
    with unpacked(file) as content:
        header = header_of(io.TextIOWrapper(content, encoding="utf-8-sig", newline="").readline())
    names = [name.lower() for name in header[1:]]
    wrong = next((name for name in names if names.count(name) > 1), None)
    if wrong is not None or not names or not all(names):
        what = f"names the column {wrong!r} twice" if wrong else "leaves a column without a name"
        raise ContractBroken(f"log {log.log!r}, day {log.day}: the first line of {file} {what}; name each column once")
    return header


def _list(files: Iterable[LogFile]) -> str:
    """The files' names for DuckDB, in which nothing is a wildcard."""
    return "[" + ", ".join(literal(_as_it_stands(file.path)) for file in files) + "]"


def _as_it_stands(path: str) -> str:
    if "://" in path:
        return path
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)
