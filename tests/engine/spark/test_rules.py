"""Every form that is translated by a rule of ours says the same on both engines."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.engine.filing import key_of
from abflow.engine.spark.database import SparkDatabase
from abflow.engine.spark.session import new_session
from abflow.engine.unit_state import exact_sum, scale_of
from abflow.logs.database import Database
from abflow.logs.expressions import as_boolean, as_number, as_text, utc_of_text
from abflow.logs.resources import connection
from abflow.spec.assignment import bucket_sql
from tests.local_spark import spark_master

Both = tuple[Database, Database]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with connection() as duck:
        yield duck, SparkDatabase(new_session(spark_master()))


def same(both: Both, query: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """What both answer, once they agree."""
    on_duckdb, on_spark = (database.execute(query, parameters).fetchall() for database in both)
    assert list(map(repr, on_spark)) == list(map(repr, on_duckdb))
    return on_duckdb


def of_texts(both: Both, expression: str, texts: Sequence[str | None]) -> dict[str | None, Any]:
    """An expression of `v`, for each of some texts."""
    listed = ", ".join("(null)" if text is None else f"('{text}')" for text in texts)
    return dict(same(both, f"select v, {expression} from (values {listed}) as t(v)"))


def test_texts_become_truth_values(both: Both) -> None:
    spellings = [
        "true",
        "t",
        "1",
        "yes",
        "y",
        "on",
        "TRUE",
        " true",
        "1.0",
        "0",
        "no",
        "off",
        "f",
        "False",
        "2",
        "",
        None,
    ]
    found = of_texts(both, "try_cast(v as boolean)", spellings)
    assert (found["y"], found["False"], found["on"]) == (True, False, None)


def test_texts_become_numbers(both: Both) -> None:
    odd = ["1d", "1f", "1_000", " 1 ", "+1", "0x1p3", ".5", "5.", "", "- 1", "1e", "\t1", "1,5", "1__0", "1 2", None]
    large = ["inf", "-inf", "Infinity", "nan", "1e400", "1e-400", "1E+5", "123456789012345678901234567890"]
    found = of_texts(both, "try_cast(v as double)", [*odd, *large])
    assert (found["1d"], found["1_000"], found["-inf"]) == (None, 1000, -math.inf)


def test_texts_become_times(both: Both) -> None:
    moments = ["2026-10-01", "2026-10-01 07:08", "2026-10-01T07:08:09", "2026-10-01 07:08:09.1234567", "2026-1-1 1:2:3"]
    zones = ["", "Z", "+02", "+0200", "-03:30", " UTC", " +02:00", "+5", "z"]
    epochs = ["1790812800", "1790812800123", "1790812800123456", "1790812800123456789", "12345", "1790812800.5"]
    others = ["2026", "2026-10", "20261001", "2026-02-30", "2026-10-01T07", "now", "", "12:00:00", None]
    texts = [*(moment + zone for moment in moments for zone in zones), *epochs, *others]
    found = of_texts(both, f"epoch_us({utc_of_text('v')})", texts)
    assert found["2026-10-01 07:08+02"] == 1_790_831_280_000_000
    assert found["2026"] is None


def test_columns_that_are_no_text_keep_their_values(both: Both) -> None:
    for type_, values in {"integer": "(0), (1), (2), (null)", "boolean": "(true), (false)"}.items():
        of_column = f"(select cast(v as {type_}) as v from (values {values}) as t(v))"
        same(both, f"select {as_number('v', type_.upper())}, {as_boolean('v', type_.upper())} from {of_column}")


def test_values_of_json_become_texts_and_numbers(both: Both, tmp_path: Path) -> None:
    values = [
        "7",
        "7.0",
        "7.5",
        "7.50",
        "1e5",
        "-0",
        "12345678901234567890",
        "123456789012345678901234",
        "true",
        "null",
    ]
    values += ['"7.0"', '""', '" x "', '"a\\u00e9"', "0.30000000000000004", "100000.5", "9007199254740993.0"]
    file = tmp_path / "values.jsonl"
    file.write_text("".join(f'{{"n": {n}, "v": {value}, "o": {{"a b": {value}}}}}\n' for n, value in enumerate(values)))
    of_file = (
        f"read_json(['{file}'], format = 'newline_delimited', columns = {{'n': 'JSON', 'v': 'JSON', 'o': 'JSON'}})"
    )
    inner = "(o -> '$.\"a b\"')"
    for query in (
        f"select {as_text('n', 'JSON')} as n, {as_text('v', 'JSON')}, {as_number('v', 'JSON')} from {of_file}",
        f"select {as_text('n', 'JSON')} as n, {as_text('w', 'JSON')} from (select n, {inner} as w from {of_file})",
    ):
        found = {row[0]: row[1] for row in same(both, f"select * from ({query}) order by cast(n as integer)")}
        assert [found[str(values.index(value))] for value in ("7.0", '"7.0"', "1e5")] == ["7", "7.0", "100000"]


def test_fractional_columns_become_texts(both: Both) -> None:
    numbers = "(values (7.0), (7.5), (-2.5), (0.25), (123456.0), (9007199254740992.0)) as t(v)"
    for type_ in ("double", "float", "decimal(20, 2)"):
        same(both, f"select {as_text('v', type_.upper())} from (select cast(v as {type_}) as v from {numbers})")


def test_an_id_has_the_same_key(both: Both) -> None:
    same(both, f"select {key_of('v')} from (values ('a'), (''), ('é'), (null), ('{'x' * 99}')) as t(v)")


def test_a_unit_falls_into_the_same_bucket(both: Both) -> None:
    of_texts(both, bucket_sql("v", "'salt'"), [f"u{n}" for n in range(20)])


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e15, 1e200])
def test_an_exact_sum_is_the_same_to_the_last_digit(size: float, both: Both) -> None:
    chance = random.Random(size)  # noqa: S311  the same numbers every time
    numbers = [chance.uniform(-1, 1) * size * 10 ** chance.uniform(-20, 0) for _ in range(200)]
    for database in both:
        database.execute("create or replace temp table numbers (number integer, v double)")
        database.executemany("insert into numbers values (?, ?)", [(n % 40, v) for n, v in enumerate(numbers)])
    total = "".join(exact_sum("v", scale_of(size)))
    found = same(both, f"select number, {total} as total from numbers group by number order by number")
    assert found[0][1] == pytest.approx(math.fsum(numbers[::40]), abs=size * 1e-25)


def test_the_sum_of_nothing_is_nothing(both: Both) -> None:
    assert same(both, f"select {''.join(exact_sum('v', 2.0**80))} from (select 1.5 as v limit 0)") == [(None,)]


ROWS = "(values (1, 2, 'b'), (1, null, 'a'), (2, null, null), (2, null, 'a'), (3, 1, null), (3, 1, 'z')) as t(a, b, c)"


def test_rows_are_compared_as_a_whole_with_a_missing_value_last(both: Both) -> None:
    first = "min({'b': b, 'inner': {'c': c, 'a': a}}) as first"
    query = f"select a, first.b, first.inner.c from (select a, {first} from {ROWS} group by a) order by a"
    assert same(both, query) == [(1, 2, "b"), (2, None, "a"), (3, 1, "z")]


def test_rows_are_sorted_with_a_missing_value_last(both: Both) -> None:
    found = same(both, f"select a, b, c from {ROWS} order by {{'b': b, 'c': c, 'a': a}}")
    assert [row[1:] for row in found] == [(1, "z"), (1, None), (2, "b"), (None, "a"), (None, "a"), (None, None)]


def test_rows_that_are_columns_are_compared_alike(both: Both) -> None:
    pairs = f"select l.a, {{'b': l.b, 'c': l.c}} as x, {{'b': r.b, 'c': r.c}} as y from {ROWS} cross join {ROWS} as r"
    pairs = pairs.replace("as t(a, b, c) cross", "as l(a, b, c) cross").replace("as t(a, b, c) as r", "as r(a, b, c)")
    same(both, f"select count(*), count(*) filter (where x < y), count(*) filter (where x > y) from ({pairs})")
    least = f"select a, min(x) as least from ({pairs}) where a > 1 group by a"
    same(both, f"with best as ({least}) select a, least.b, least.c from best order by a")


def test_times_are_counted_and_told_apart(both: Both) -> None:
    times = "(values (timestamp '2026-03-01 23:59:59.999999', timestamp '2026-03-03 00:00:00')) as t(a, b)"
    query = (
        "select make_timestamp(epoch_us(a) // 2 * 2), datediff('microsecond', a, b) // 86400000000, cast(b as date), "
        f"a + interval 2 day > b, cast(cast(b as date) as varchar), b >= $at from {times}"
    )
    same(both, query, {"at": None} | {"at": __import__("datetime").datetime(2026, 3, 3)})


def test_small_functions_say_the_same(both: Both) -> None:
    numbers = "(values (1.5), ('nan'::double), ('inf'::double), (-2.5), (null), (1e300)) as t(v)"
    same(
        both,
        f"select isfinite(v), floor(v) = v and abs(v) < 1e15, v from (select cast(v as double) as v from {numbers})",
    )
    of_texts(both, "regexp_full_match(v, '[0-9]+')", ["12", "1a", "", None])
    same(both, "select list_extract(['a', 'b'], 1 + 3 % 2), list_contains($known, 'b')", {"known": ["a", "b'\\"]})
    same(both, "select quantile_cont(v, $q) from (values (1.0::double), (2.0), (4.0)) as t(v)", {"q": 0.5})


def test_equal_texts_have_equal_hashes(both: Both) -> None:
    texts = "(values ('a', 1), ('b', 1), ('a', 1), ('a', 2)) as t(v, w)"
    assert same(both, f"select count(distinct hash(v)), count(distinct hash(v, w)) from {texts}") == [(2, 3)]


def test_columns_are_replaced_and_unions_find_them_by_their_names(both: Both) -> None:
    left = "select * replace (cast(b as varchar) as b) from (select 1 as a, 2 as b)"
    query = f"select a, b, c from ({left} union all by name select 'x' as b, 3.5 as c union all by name select 9 as a)"
    assert len(same(both, f"{query} order by a, b")) == 3


def test_tables_can_be_filled_and_changed(both: Both) -> None:
    for database in both:
        database.execute("create or replace temp table known as select 1 as a, cast(2 as double) as b")
        database.executemany("insert into known values (?, ?)", [(2, 5.0), (3, 0.5)])
        database.execute(
            "insert into known (select 9 as a, 9.5 as b union select 3, 0.5) except select a, b from known"
        )
        database.execute("update known set b = least(b, $cap) where b > $cap", {"cap": 4.0})
    assert same(both, "select * from known order by a, b") == [(1, 2.0), (2, 4.0), (3, 0.5), (9, 4.0)]


def test_a_view_keeps_what_it_was_made_of(both: Both, tmp_path: Path) -> None:
    """A table that is made of itself, day after day, must not grow a history."""
    for database in both:
        database.execute("create or replace temp table state as select 1 as day")
        for _ in range(3):
            database.execute("create or replace temp table state as select day + 1 as day from state")
        database.execute(f"copy (select * from state) to '{tmp_path / 'state.parquet'}' (format parquet)")
    assert same(both, f"select * from read_parquet('{tmp_path / 'state.parquet'}')") == [(4,)]
    assert [path.name for path in tmp_path.iterdir()] == ["state.parquet"]


def test_a_statement_that_fits_nothing_is_an_error_of_duckdb(both: Both) -> None:
    for database in both:
        with pytest.raises(duckdb.ProgrammingError):
            database.execute("select no_such_column from (select 1 as a)")
