"""Files as Spark reads them: the same rows, columns and texts that DuckDB would have."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from abflow.engine.spark.rules import variant_at
from abflow.errors import DataError
from abflow.logs.expressions import literal
from abflow.logs.resources import connection

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def relation(session: SparkSession, call: exp.Expr) -> DataFrame:
    """The rows of `read_parquet`, `read_json` or `read_csv`, with the arguments that abflow gives them.

    Raises:
        DataError: Spark cannot read a column as DuckDB does.
    """
    files, options = _arguments(call)
    match call:
        case exp.ReadParquet():
            return _parquet(session, files)
        case exp.ReadCSV():
            return _csv(session, files, delimiter=options["delim"].name, columns=_names(options["columns"]))
        case exp.Anonymous(this="read_json"):
            columns = _names(options["columns"]) if "columns" in options else None
            return _jsonl(session, files, columns)
    raise NotImplementedError(call.sql("duckdb"))  # a bug: logs/relations.py writes no other call


def _arguments(call: exp.Expr) -> tuple[list[str], dict[str, exp.Expr]]:
    given = [call.this, *call.expressions] if isinstance(call, exp.ReadCSV) else call.expressions
    first, *rest = given
    listed = first.expressions if isinstance(first, exp.Array) else [first]
    # DuckDB's lists of files have [*] where a name has a star.
    files = [re.sub(r"\[([*?\[])\]", r"\1", each.name) for each in listed]
    return files, {option.this.name: option.expression for option in rest}


def _names(columns: exp.Expr) -> list[str]:
    return [pair.this.name for pair in columns.expressions]


def _parquet(session: SparkSession, files: list[str]) -> DataFrame:
    """Files of one schema are read together; the others' columns are found by their names."""
    groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for file, schema in _schemas(files).items():
        groups[tuple(schema)].append(file)
    read = [session.read.parquet(*map(_path, group)) for group in groups.values()]
    return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), read)


def _schemas(files: list[str]) -> dict[str, list[Any]]:
    """What each file says of its columns."""
    listed = ", ".join(literal(re.sub(r"([*?\[])", r"[\1]", file)) for file in files)
    schemas: dict[str, list[Any]] = {file: [] for file in files}
    with connection() as db:
        found = db.execute(
            f"select file_name, name, type, converted_type, logical_type, duckdb_type from parquet_schema([{listed}])"
        ).fetchall()
    for file, *column in found:
        name, *_, kind = column
        if kind == "UUID":
            raise DataError(
                f"{file}: {name} is a Parquet UUID, which Spark cannot read; write it as text, or set engine: duckdb"
            )
        schemas[file].append(tuple(column))
    return schemas


def _jsonl(session: SparkSession, files: list[str], columns: list[str] | None) -> DataFrame:
    """One variant per key, so that 7 and "7" stay two things; without names, every key that some line has."""
    lines = session.read.text([_path(file) for file in files], lineSep="\n").where(r"value rlike '\\S'")
    if columns is None:
        columns = _keys(lines)
    # Spark would read a line only as far as its first value reaches; in an array whatever follows is a mistake.
    whole = (
        r"if(value rlike r'^\s*\{', parse_json(concat('[', validate_utf8(value), ']')), raise_error('no JSON object'))"
    )
    one = "if(variant_get(line, '$[1]', 'variant') is null, line, raise_error('a line has two values'))"
    rows = lines.selectExpr(f"{whole} as line").selectExpr(f"variant_get({one}, '$[0]', 'variant') as line")
    line = exp.column("line")
    return rows.selectExpr(*(f"{variant_at(line, [name]).sql('spark')} as {_quoted(name)}" for name in columns))


def _keys(lines: DataFrame) -> list[str]:
    """Every key, in the order in which they first occur."""
    keys = "coalesce(json_object_keys(value), raise_error('a line is no JSON object'))"
    places = lines.selectExpr("monotonically_increasing_id() as line", f"posexplode({keys}) as (at, key)")
    first = places.selectExpr("key", "struct(line, at) as place").groupBy("key").agg({"place": "min"})
    return [row["key"] for row in first.orderBy("min(place)").collect()]


def _csv(session: SparkSession, files: list[str], *, delimiter: str, columns: list[str]) -> DataFrame:
    """Every column as text. What Spark would silently read in another way is looked for first, line by line."""
    paths = [_path(file) for file in files]
    lines = session.read.text(paths)
    if lines.where("not is_valid_utf8(value)").limit(1).collect():
        raise duckdb.InvalidInputException("a line is not UTF-8 text")
    spaced = lines.where(f"value rlike r'(^|{re.escape(delimiter)})[ \t]+\"'").limit(1).collect()
    if spaced:
        raise DataError(
            f"{', '.join(files)}: a field has spaces before its quotes, which Spark reads as a part of the text: "
            f"{spaced[0][0][:80]!r}; write it without them, or set engine: duckdb"
        )
    return session.read.csv(
        paths,
        schema=", ".join(f"{_quoted(name)} string" for name in columns),
        sep=delimiter,
        quote='"',
        escape='"',
        header=True,
        enforceSchema=True,
        multiLine=True,
        mode="FAILFAST",
        unescapedQuoteHandling="RAISE_ERROR",
        maxCharsPerColumn=-1,
    )


def _path(file: str) -> str:
    """A path of the file system that every worker has, in which nothing is a wildcard."""
    return "file://" + re.sub(r"([{}\[\]*?\\])", r"\\\1", str(Path(file).absolute()))


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("spark")
