"""The contract as a Great Expectations suite, run inside DuckDB."""

from __future__ import annotations

import gc
import logging
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

from abflow.errors import ContractBroken, DataError
from abflow.logs.layout import DayLog
from abflow.validation.contract import (
    SHADOW_LOG,
    AtLeast,
    Exists,
    InsideDay,
    NoRowWhere,
    NotNull,
    Promise,
    Unique,
)
from abflow.validation.log_report import ContractCheck, LogReport
from abflow.validation.reading import loaded

if TYPE_CHECKING:
    import duckdb

_SAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What Great Expectations found out about one promise."""

    passed: bool
    rows: int
    values: tuple[Any, ...]


def check_shadow_log(log: DayLog, *, threads: int | None = None) -> LogReport:
    """Hold a day's shadow log against its contract.

    Args:
        log: The day.
        threads: Cores for reading; default all.

    Raises:
        DataError: A file cannot be read.
        ContractBroken: The day holds no row.
    """
    with loaded(SHADOW_LOG, [log], threads=threads) as table:
        if table.rows == 0:
            raise ContractBroken(
                f"shadow log of {log.day}: {len(log.files)} files from {log.files[0]} on hold no row; "
                "was traffic mirrored on that day?"
            )
        asked = tuple(p for p in SHADOW_LOG.promises() if not p.needs & table.missing)
        results = _validate(table.connection, asked, log.day)
        # Great Expectations leaves cycles with finalizers of database pools. Collected now, and not at some
        # later moment: inside `ast.parse` they make Python 3.11 raise a SystemError.
        gc.collect()
        return LogReport(
            day=log.day,
            rows=table.rows,
            files=tuple(file.name for file in log.files),
            checks=tuple(_check(promise, results[promise.name], table.rows) for promise in asked),
        )


def _validate(connection: duckdb.DuckDBPyConnection, promises: tuple[Promise, ...], day: date) -> dict[str, _Found]:
    """What was found out about every promise, by the promise's name."""
    # The import logs hundreds of lines at INFO, which Airflow would show in every task's log.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with _hiding_pyspark():
        import great_expectations as gx  # noqa: PLC0415  takes seconds; only this step needs it
    from great_expectations.data_context.types.base import (  # noqa: PLC0415  see above
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from sqlalchemy.dialects import registry  # noqa: PLC0415  see above
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415  see above

    from abflow.validation.duckdb_dialect import Borrowed  # noqa: PLC0415  see above

    registry.register("abflow_duckdb", "abflow.validation.duckdb_dialect", "ReadingDialect")
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            analytics_enabled=False,  # nothing about a user's logs leaves the machine
            progress_bars=ProgressBarsConfig(globally=False),
            store_backend_defaults=InMemoryStoreBackendDefaults(),
        ),
    )
    source = context.data_sources.add_sql(
        name="shadow",
        connection_string="abflow_duckdb://",
        create_temp_table=False,
        # The table lives in this one database in memory: every connection has to be this one. Great
        # Expectations keeps its last context for ever, and must not keep the database with it.
        kwargs={"creator": lambda: Borrowed(weakref.proxy(connection)), "poolclass": StaticPool},
    )
    asset = source.add_table_asset(name="shadow", table_name="log")
    batch = asset.add_batch_definition_whole_table("whole").get_batch()
    found: dict[str, _Found] = {}
    # Only COMPLETE returns rows of a query, and only SUMMARY stops after twenty values of a column.
    for result_format, by_query in (("SUMMARY", False), ("COMPLETE", True)):
        asked = [_expectation(p, day) for p in promises if isinstance(p.rule, NoRowWhere) == by_query]
        suite = gx.ExpectationSuite(name=f"shadow_{result_format.lower()}", expectations=asked)
        results = batch.validate(suite, result_format=result_format).results
        found |= {_name_of(result): _result_of(result) for result in results}
    return found


@contextmanager
def _hiding_pyspark() -> Iterator[None]:
    """Keep Great Expectations from importing PySpark, which this check does not use.

    It would cost seconds. And where PySpark's optional gRPC parts are missing, `pyspark.sql.connect` ends a
    process whose main module has no file (`python -c`, a spawned worker) with exit code 0: a log that was
    never checked would look like one that passed.
    """
    hidden = [name for name in ("pyspark", "pyspark.sql.connect") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: "not there"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _expectation(promise: Promise, day: date) -> Any:
    from great_expectations import expectations as gxe  # noqa: PLC0415  see above

    column, meta = promise.column, {"promise": promise.name}
    match promise.rule:
        case Exists():
            return gxe.ExpectColumnToExist(column=column, meta=meta)
        case NotNull():
            return gxe.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
        case Unique():
            return gxe.ExpectColumnValuesToBeUnique(column=column, meta=meta)
        case InsideDay():
            start = datetime(day.year, day.month, day.day)  # noqa: DTZ001  the table's timestamps are UTC without a zone
            return gxe.ExpectColumnValuesToBeBetween(
                column=f"{column}__value",
                min_value=start,
                max_value=start + timedelta(days=1),
                strict_max=True,
                meta=meta,
            )
        case AtLeast(minimum=minimum):
            return gxe.ExpectColumnValuesToBeBetween(column=f"{column}__value", min_value=minimum, meta=meta)
        case NoRowWhere(condition=condition):
            query = f"select {column} as given from {{batch}} where {condition}"  # noqa: S608  the contract is ours
            return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, meta=meta)
        case rule:
            assert_never(rule)


def _name_of(result: Any) -> str:
    return str(result.expectation_config.meta["promise"])


def _result_of(result: Any) -> _Found:
    """How many rows break a promise, and what stands in the first of them."""
    raised = result.exception_info or {}
    if raised.get("raised_exception", bool(raised)):
        told = raised if "exception_message" in raised else next(iter(raised.values()))
        raise DataError(
            f"Great Expectations could not check {_name_of(result)}: {told['exception_message']}; "
            "this is an error of abflow or of the installed versions, please report it"
        )
    found = result.result
    if "details" in found:
        values = [row["given"] for row in found["details"]["unexpected_rows"]]
        return _Found(passed=bool(result.success), rows=found["observed_value"], values=tuple(values))
    return _Found(
        passed=bool(result.success),
        rows=found.get("unexpected_count", 0),
        values=tuple(found.get("partial_unexpected_list", ())),
    )


def _check(promise: Promise, found: _Found, rows: int) -> ContractCheck:
    """The result in words."""
    count = rows if isinstance(promise.rule, Exists) and not found.passed else found.rows
    percent = 100 * count / rows
    given = [str(value) for value in found.values if value is not None]
    samples = tuple(dict.fromkeys(given))[:_SAMPLES]
    if found.passed:
        sentence = f"{promise.column} {promise.says}"
    elif isinstance(promise.rule, Exists):
        sentence = f"{promise.column} is missing from the log; {promise.advice}"
    else:
        such = f", such as {', '.join(repr(sample) for sample in samples)}" if samples else ""
        sentence = (
            f"{count} of {rows} rows ({percent:.3g} %) break the promise that {promise.column} {promise.says}"
            f"{such}; {promise.advice}"
        )
    return ContractCheck(
        name=promise.name,
        column=promise.column,
        passed=found.passed,
        unexpected_count=count,
        unexpected_percent=percent,
        samples=samples,
        sentence=sentence,
    )
