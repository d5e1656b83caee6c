"""DuckDB, and what it may take of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What DuckDB may take of the machine.

    Attributes:
        threads: By default every core.
        memory_limit: Such as 4GB; by default 80 % of the memory.
        spill_folder: Where rows go that do not fit; by default a folder of its own, which is removed at the end.
    """

    threads: int | None = None
    memory_limit: str | None = None
    spill_folder: Path | None = None


WHOLE_MACHINE = Resources()


@contextmanager
def connection(resources: Resources = WHOLE_MACHINE) -> Iterator[duckdb.DuckDBPyConnection]:
    """A private in-memory DuckDB that reads times as UTC and fetches nothing from outside."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}
    if resources.threads:
        config["threads"] = resources.threads
    if resources.memory_limit:
        config["memory_limit"] = resources.memory_limit
    if resources.spill_folder:
        config["temp_directory"] = str(resources.spill_folder)
    opened = duckdb.connect(":memory:", config=config)
    try:
        opened.execute("set timezone = 'UTC'")
        opened.execute("set enable_progress_bar = false")
        yield opened
    finally:
        opened.close()
