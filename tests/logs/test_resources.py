"""What DuckDB may take, and databases that are shared on purpose."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import pytest

from abflow.logs.resources import Resources, connection, one_database


def setting(opened: duckdb.DuckDBPyConnection, name: str) -> str:
    found = opened.execute(f"select current_setting('{name}')").fetchone()
    assert found
    return str(found[0])


def test_a_connection_takes_what_it_is_given(tmp_path: Path) -> None:
    with connection(Resources(threads=3, memory_limit="500MB", spill_folder=tmp_path / "spill")) as opened:
        assert setting(opened, "threads") == "3"
        assert setting(opened, "memory_limit") == "476.8 MiB"
        assert setting(opened, "temp_directory") == str(tmp_path / "spill")


def test_rows_that_do_not_fit_go_to_a_folder_that_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with connection(Resources(threads=1, memory_limit="150MB")) as opened:
        assert not list(tmp_path.iterdir())
        opened.execute("create temp table wide as select hash(i)::varchar as text from range(8000000) as t(i)")
        [folder] = tmp_path.iterdir()
        assert sum(file.stat().st_size for file in folder.iterdir()) > 10_000_000
    assert not list(tmp_path.iterdir())


def test_times_are_utc_whether_the_database_is_shared_or_not() -> None:
    with connection() as opened, one_database(), connection() as shared:
        assert setting(opened, "TimeZone") == setting(shared, "TimeZone") == "UTC"


def test_tables_of_connections_that_share_a_database_are_their_own() -> None:
    with one_database(), connection() as one, connection() as other:
        one.execute("create temp table seen as select 1 as x")
        other.execute("create temp table seen as select 2 as x")
        assert one.execute("from seen").fetchall() == [(1,)]
        assert other.execute("from seen").fetchall() == [(2,)]


def test_a_database_is_shared_only_by_those_who_may_take_the_same_and_only_inside() -> None:
    narrow, wide = Resources(threads=1), Resources(threads=2)
    with one_database(narrow):
        with connection(narrow) as opened:
            opened.execute("create table marked as select 1 as x")
        with connection(narrow) as opened:
            assert opened.execute("from marked").fetchall() == [(1,)]
        with connection(wide) as opened, pytest.raises(duckdb.CatalogException, match="marked"):
            opened.execute("from marked")
    with connection(narrow) as opened, pytest.raises(duckdb.CatalogException, match="marked"):
        opened.execute("from marked")
