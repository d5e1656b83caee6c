"""DuckDB, and what it may take of the machine."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What DuckDB may take of the machine, and where Spark is.

    Attributes:
        threads: By default every core.
        memory_limit: Such as 4GB; by default 80 % of the memory.
        spill_folder: Where rows go that do not fit; by default a folder of its own among the machine's temporary
            files, which is removed at the end.
        spark_master: Where an experiment with `engine: spark` runs; by default in this process, on as many threads.
    """

    threads: int | None = None
    memory_limit: str | None = None
    spill_folder: Path | None = None
    spark_master: str | None = None


WHOLE_MACHINE = Resources()


# The database that connections share, where somebody asked for that, and what it may take.
_shared: ContextVar[tuple[Resources, duckdb.DuckDBPyConnection] | None] = ContextVar("_shared", default=None)


@contextmanager
def connection(resources: Resources = WHOLE_MACHINE) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory that reads times as UTC and fetches nothing from outside; its tables are its own."""
    shared = _shared.get()
    opened = shared[1].cursor() if shared and shared[0] == resources else _opened(resources)
    try:
        opened.execute("set timezone = 'UTC'")
        opened.execute("set enable_progress_bar = false")
        yield opened
    finally:
        opened.close()


@contextmanager
def one_database(resources: Resources = WHOLE_MACHINE) -> Iterator[None]:
    """Let all connections inside that may take the same share one database, as a thousand small experiments want.

    Opening one takes longer than a small query. Only temporary tables and views are private there.
    """
    opened = _opened(resources)
    before = _shared.set((resources, opened))
    try:
        yield
    finally:
        _shared.reset(before)
        opened.close()


def _opened(resources: Resources) -> duckdb.DuckDBPyConnection:
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}
    if resources.threads:
        config["threads"] = resources.threads
    if resources.memory_limit:
        config["memory_limit"] = resources.memory_limit
    # DuckDB makes the folder when the first row does not fit; its own default lies in the working directory.
    own = Path(tempfile.gettempdir()) / f"abflow-spill-{uuid.uuid4().hex}"
    config["temp_directory"] = str(resources.spill_folder or own)
    return duckdb.connect(":memory:", config=config)
