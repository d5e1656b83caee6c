"""Spark as the engine talks to it: as if it were a connection of DuckDB."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import sqlglot
from numpy.typing import NDArray
from py4j.protocol import Py4JError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Row
from sqlglot import exp

from abflow.engine.spark.ordering import with_missing_last
from abflow.engine.spark.relations import relation
from abflow.engine.spark.rules import translated
from abflow.logs.resources import connection

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType

_TYPES = {
    "string": "VARCHAR",
    "variant": "JSON",
    "binary": "BLOB",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
    "tinyint": "TINYINT",
    "int": "INTEGER",
}
_OF_FILES = ("parquet_schema(", "parquet_file_metadata(")


class SparkFailed(duckdb.Error):
    """Spark could not carry out a statement.

    Attributes:
        advice: What to do when no file is to blame.
    """

    advice = "docs/guides/spark.md says what Spark reads in another way; otherwise give its executors more room"


class SparkDatabase:
    """Carries out the engine's statements, in DuckDB's dialect, on Spark."""

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        self._views = 0
        self._files: dict[str, str] = {}

    def execute(self, query: str, parameters: Any = None, /) -> Answer:
        """Carry out a statement.

        Raises:
            duckdb.BinderException: The statement does not fit the relations that are there.
            duckdb.Error: Spark cannot do it.
        """
        if any(function in query for function in _OF_FILES):  # the ends of files are read here, not on the cluster
            with connection() as db:
                answer = db.execute(query, parameters)
                return Answer([column[0] for column in answer.description], answer.fetchall())
        tree = sqlglot.parse_one(query, read="duckdb")
        _bind(tree, parameters or {})
        with _complaining(query):
            return self._answer(tree)

    def executemany(self, query: str, rows: Any = None, /) -> None:
        """Add rows to a table."""
        table = sqlglot.parse_one(query, read="duckdb").this.name
        with _complaining(query):
            known = self._session.table(table)
            added = self._session.createDataFrame([tuple(row) for row in rows], schema=known.schema)
            self._keep(table, known.unionAll(added))

    def _answer(self, tree: exp.Expr) -> Answer:
        match tree:
            case exp.Create(kind="VIEW"):
                self._frame(tree.expression).createOrReplaceTempView(tree.this.name)
            case exp.Create() if isinstance(tree.this, exp.Schema):
                columns = [f"cast(null as {each.kind.sql('spark')}) as {each.name}" for each in tree.this.expressions]
                self._keep(tree.this.this.name, self._session.sql(f"select {', '.join(columns)} limit 0"))
            case exp.Create():
                self._keep(tree.this.name, self._frame(tree.expression))
            case exp.Insert():
                self._keep(tree.this.name, self._session.table(tree.this.name).unionAll(self._frame(tree.expression)))
            case exp.Update():
                self._keep(tree.this.name, self._updated(tree))
            case exp.Copy():
                _write(self._frame(tree.this.unnest()), Path(tree.args["files"][0].name))
            case exp.Describe():
                asked = tree.this if isinstance(tree.this, exp.Query) else exp.select("*").from_(tree.this)
                schema = self._frame(asked).schema
                described = [(field.name, _type_name(field.dataType)) for field in schema.fields]
                return Answer(["column_name", "column_type"], described)
            case _:
                frame = self._frame(tree)
                return Answer(frame.columns, [tuple(map(_plain, row)) for row in frame.collect()])
        return Answer([], [])

    def _frame(self, tree: exp.Expr) -> DataFrame:
        """The rows of a query in DuckDB's dialect."""
        for table in list(tree.find_all(exp.Table)):
            if isinstance(table.this, exp.Func):
                table.set("this", exp.to_identifier(self._opened(table.this)))
        tree = translated(self._by_name(tree))
        with_missing_last(tree, lambda query: self._session.sql(_text(query)).schema)
        return self._session.sql(_text(tree))

    def _by_name(self, tree: exp.Expr) -> exp.Expr:
        """Unions whose columns are found by their names become views, which Spark's SQL has no words for."""
        root = exp.Paren(this=tree)
        for union in reversed(list(root.find_all(exp.Union))):
            if union.args.get("by_name"):
                left, right = (self._frame(side.copy()) for side in (union.this, union.expression))
                view = self._show(left.unionByName(right, allowMissingColumns=True))
                union.replace(exp.select("*").from_(view))
        inner: exp.Expr = root.this
        return inner

    def _opened(self, call: exp.Expr) -> str:
        """The view of some files; their schemas are read once."""
        asked = call.sql("duckdb")
        if asked not in self._files:
            self._files[asked] = self._show(relation(self._session, call))
        return self._files[asked]

    def _show(self, frame: DataFrame) -> str:
        self._views += 1
        name = f"_relation_{self._views}"
        frame.createOrReplaceTempView(name)
        return name

    def _keep(self, table: str, frame: DataFrame) -> None:
        """Make rows a table: they are computed once, and whatever they are made of may change after that."""
        frame.localCheckpoint(eager=True).createOrReplaceTempView(table)

    def _updated(self, tree: exp.Update) -> DataFrame:
        """A table with other values in some columns, where a condition holds."""
        known = self._session.table(tree.this.name)
        new = {each.this.name: each.expression for each in tree.expressions}
        condition = tree.args["where"].this
        columns = [
            exp.alias_(exp.Case(ifs=[exp.If(this=condition.copy(), true=new[name])], default=exp.column(name)), name)
            if name in new
            else exp.column(name, quoted=True)
            for name in known.columns
        ]
        return self._frame(exp.select(*columns).from_(tree.this))


class Answer:
    """The rows that a statement found, to be taken as from DuckDB."""

    def __init__(self, names: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
        self.description = [(name,) for name in names]
        self._rows = rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """The first row."""
        return self._rows[0] if self._rows else None

    def fetchnumpy(self) -> dict[str, NDArray[Any]]:
        """All rows by their columns."""
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in self.description)
        return {name: np.array(list(values)) for (name,), values in zip(self.description, columns, strict=True)}


def _bind(tree: exp.Expr, parameters: dict[str, Any]) -> None:
    for place in list(tree.find_all(exp.Placeholder)):
        place.replace(_value(parameters[place.name]))


def _value(value: Any) -> exp.Expr:
    if isinstance(value, list):
        return exp.Array(expressions=[_value(each) for each in value])
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(str(value)), "timestamp", dialect="duckdb")
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(str(value)), "date")
    return exp.convert(value)


def _text(tree: exp.Expr) -> str:
    return tree.sql("spark", comments=False)


def _plain(value: Any) -> Any:
    """A value as DuckDB would hand it over."""
    match value:
        case Decimal() if value == value.to_integral_value():
            return int(value)
        case Row():
            return value.asDict(recursive=True)
    return value


def _type_name(type_: DataType) -> str:
    name = type_.simpleString()
    return _TYPES.get(name, name.upper())


def _write(frame: DataFrame, file: Path) -> None:
    """Write one Parquet file under a name of ours; Spark writes folders, and names files itself."""
    folder = file.with_name(f".{file.name}.spark")
    try:
        frame.coalesce(1).write.mode("overwrite").option("compression", "zstd").parquet(f"file://{folder.absolute()}")
        (part,) = folder.glob("part-*.parquet")
        part.replace(file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _complaining(query: str) -> Iterator[None]:
    """Errors of Spark as DuckDB's, which the engine knows what to do with."""
    try:
        yield
    except AnalysisException as error:
        raise duckdb.BinderException(f"{error}\n\nin {query}") from error
    except (PySparkException, Py4JError) as error:
        raise SparkFailed(f"Spark says: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """What Spark's innermost error says, without the places in Spark's own code."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if cause is None:
        return str(error).splitlines()[0]
    while cause.getCause() is not None:
        cause = cause.getCause()
    return str(cause.getMessage() or cause.toString()).splitlines()[0]
