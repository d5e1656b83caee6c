"""What carries out SQL in DuckDB's dialect: a connection of DuckDB, or another engine that answers like one."""

from __future__ import annotations

from typing import Any, Protocol


class Answer(Protocol):
    """What a statement found."""

    @property
    def description(self) -> Any:
        """One tuple per column, its name first."""

    def fetchall(self) -> list[Any]:
        """All rows."""

    def fetchone(self) -> Any:
        """The first row; None when there is none."""

    def fetchnumpy(self) -> Any:
        """All rows, as one array per column."""


class Database(Protocol):
    """Relations that SQL can make and ask."""

    def execute(self, query: str, parameters: Any = None, /) -> Answer:
        """Carry out a statement; what it complains of are the errors of DuckDB."""

    def executemany(self, query: str, parameters: Any = None, /) -> object:
        """Carry out a statement once per row of parameters."""
