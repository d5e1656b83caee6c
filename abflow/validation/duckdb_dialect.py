"""How SQLAlchemy, and through it Great Expectations, reads an open DuckDB database."""

from __future__ import annotations

from typing import Any

from duckdb_engine import ConnectionWrapper, Dialect


class Borrowed(ConnectionWrapper):  # type: ignore[misc]  # duckdb-engine publishes no types
    """A connection that belongs to somebody else, who closes it."""

    def close(self) -> None:
        """Leave it open."""


class ReadingDialect(Dialect):  # type: ignore[misc]  # duckdb-engine publishes no types
    """DuckDB without transactions.

    Great Expectations fetches results after its transaction ended, and DuckDB drops a pending result with the
    transaction. Checking a log only reads, so there is nothing to begin, commit or roll back.
    """

    supports_statement_cache = False

    def do_begin(self, connection: Any) -> None:
        """Nothing to begin."""

    def do_commit(self, connection: Any) -> None:
        """Nothing to commit."""

    def do_rollback(self, connection: Any) -> None:
        """Nothing to roll back."""
