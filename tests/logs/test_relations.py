from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from abflow.errors import ContractBroken, DataError
from abflow.logs.layout import DayLog, day_log
from abflow.logs.reading import as_text, open_day, reading, utc
from abflow.logs.resources import Resources, connection

DAY = date(2026, 10, 1)


@pytest.fixture
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with connection(Resources(threads=2)) as opened:
        yield opened


def logged(tmp_path: Path, columns: Mapping[str, str] | None = None, /, **files: str | bytes) -> DayLog:
    """Files of a day; in their names `_` stands for a point."""
    place = tmp_path / f"date={DAY}"
    place.mkdir(exist_ok=True)
    for name, content in files.items():
        (place / name.replace("_", ".")).write_bytes(content.encode() if isinstance(content, str) else content)
    return day_log("outcomes", tmp_path, DAY, columns=columns)


def parquet(tmp_path: Path, columns: Mapping[str, str] | None = None, /, **files: str) -> DayLog:
    """Parquet files of a day, each from a query."""
    place = tmp_path / f"date={DAY}"
    place.mkdir(exist_ok=True)
    for name, query in files.items():
        duckdb.execute(f"copy ({query}) to '{place / name}.parquet' (format parquet)")
    return day_log("outcomes", tmp_path, DAY, columns=columns)


def rows_of(db: duckdb.DuckDBPyConnection, log: DayLog, *names: str) -> list[tuple[Any, ...]]:
    """The texts of some columns, or of all, in some order."""
    with reading(log):
        columns = open_day(db, log, view="day", as_json=True)
        texts = ", ".join(as_text(name, columns[name]) for name in names or columns)
        return sorted(db.execute(f"select {texts} from day").fetchall(), key=str)


class TestCsv:
    """Nothing about a CSV file is guessed from its rows."""

    @pytest.mark.parametrize(
        "content",
        [
            "a,b\n1,2\n3,4\n",
            "a,b\r\n1,2\r\n3,4",
            "\ufeffa,b\n1,2\n\n3,4\n",
            "a;b\n1;2\n3;4\n",
            "a\tb\n1\t2\n3\t4\n",
            "a|b\n1|2\n3|4\n",
            '"a","b"\n"1","2"\n3,4\n',
        ],
    )
    def test_rows_stand_below_the_names_of_their_columns(
        self, content: str, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        assert rows_of(db, logged(tmp_path, a_csv=content)) == [("1", "2"), ("3", "4")]
        assert (
            rows_of(db, logged(tmp_path, a_csv=content, b_csv_gz=gzip.compress(content.encode())))
            == [("1", "2")] * 2 + [("3", "4")] * 2
        )

    def test_values_stay_the_text_that_they_are(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = logged(tmp_path, a_csv='id,t\n007,1:00:00\n1e15,"say ""hi"", twice\nand go"\n,\n')
        assert rows_of(db, log) == [("007", "1:00:00"), ("1e15", 'say "hi", twice\nand go'), (None, None)]

    @pytest.mark.parametrize(
        ("content", "wrong"),
        [
            ("a,b\n1,2\n3,4,5\n6,7\n", r"line 3: 3 fields where the first line names 2 columns: '3,4,5'"),
            ("a,b\n1,2\n" + "3,4,5\n" * 50, "line 3: 3 fields where"),
            ("a,b\n1,2\n3\n6,7\n", "line 3: 1 fields where"),
            ('a,b\n"1,2\n3,4\n', "line 2: a quoted text begins and never ends"),
            ('a,b\n1,2\n"x\ny"z,2\n3,4\n', "line 3: ',' expected after"),
            ("a,b\n1,2\n3,4\r\n5,6\n", r"line 3: ends with '\\r\\n' where the first line ends with '\\n'"),
            ('a,b\r\n"1\n1",2\r\n3,4\r5,6\r\n', r"line 4: ends with '\\r' where the first line ends with"),
            (b"a,b\n1,2\n3,\xe4\n", "line 3: is not UTF-8 text"),
            ("a,b\n1,2\n".encode("utf-16"), "line 1: is not UTF-8 text"),
            (f"a,b\n1,2\n3,{'x' * 2_097_152}\n", "line 3: a row of 2097155 bytes, where one of CSV may have 2097152"),
            (f"a,b\n1,{'x' * 1_000_000}\n3\n", "line 3: 1 fields where"),
            ('a,b\n"x\ny",1\n1,2,3\n', "line 4: 3 fields where"),
        ],
    )
    def test_a_row_unlike_the_first_is_named(
        self, content: str | bytes, wrong: str, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        log = logged(tmp_path, a_csv="a,b\n1,2\n", b_csv=content)
        with pytest.raises(DataError, match=rf"'outcomes', day 2026-10-01: cannot be read\. \S*b\.csv, {wrong}"):
            rows_of(db, log)

    @pytest.mark.parametrize(
        ("first", "wrong"), [("a,b,A", "names the column 'a' twice"), ("a,,b", "leaves a column without a name")]
    )
    def test_columns_of_csv_have_one_name_each(
        self, first: str, wrong: str, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        with pytest.raises(ContractBroken, match=rf"the first line of \S*a\.csv {wrong}"):
            rows_of(db, logged(tmp_path, a_csv=f"{first}\n1,2,3\n"))

    def test_files_may_differ_in_their_columns_and_in_their_order(
        self, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        log = logged(tmp_path, a_csv="a,b\n1,2\n", b_csv="b,a,c\n4,3,5\n", c_csv="", d_csv_gz=gzip.compress(b""))
        assert rows_of(db, log, "a", "b", "c") == [("1", "2", None), ("3", "4", "5")]

    def test_a_file_without_rows_has_columns(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        assert rows_of(db, logged(tmp_path, a_csv="a,b\n")) == []

    @pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0)], ids=["empty", "packed"])
    def test_a_day_of_empty_files_is_an_empty_day(
        self, content: bytes, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        with pytest.raises(DataError, match=r"has an empty day: \S*a\.csv\S* holds nothing"):
            rows_of(db, logged(tmp_path, **{"a_csv" if not content else "a_csv_gz": content}))

    @pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
    def test_a_compressed_file_that_was_cut_is_named(
        self, share: float, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        whole = gzip.compress(("a,b\n" + "".join(f"{n},{n * n % 1009}\n" for n in range(50_000))).encode())
        assert len(rows_of(db, logged(tmp_path, a_csv_gz=whole))) == 50_000
        with pytest.raises(DataError, match=r"cannot be read\. \S*a\.csv\.gz, line \d+: Compressed file ended"):
            rows_of(db, logged(tmp_path, a_csv_gz=whole[: int(len(whole) * share)]))

    def test_compressed_files_one_after_the_other_are_one_file(
        self, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        content = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n")
        assert rows_of(db, logged(tmp_path, a_csv_gz=content)) == [("1", "2"), ("3", "4")]


class TestJsonl:
    """Every line is an object."""

    @pytest.mark.parametrize("line", ['{"a": ', "[1]", "5", '"x"', '{"a": 1}{"a": 2}', "nothing"])
    def test_a_line_that_is_no_object_is_named(self, line: str, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = logged(tmp_path, a_jsonl='{"a": 1}\n', b_jsonl=f'{{"a": 1}}\n\n{line}\n{{"a": 2}}\n')
        with pytest.raises(DataError, match=r"cannot be read\. \S*b\.jsonl, line 3: not a JSON object"):
            rows_of(db, log)

    def test_a_line_that_is_not_utf8_is_named(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"a\.jsonl, line 2: not a JSON object"):
            rows_of(db, logged(tmp_path, a_jsonl=b'{"a": "x"}\n{"a": "\xe4"}\n'))

    def test_a_key_said_twice_is_an_error(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"a\.jsonl.*duplicate key"):
            rows_of(db, logged(tmp_path, a_jsonl='{"a": 1, "a": 2}\n'))

    def test_a_key_that_occurs_once_is_a_column(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        files = {f"f{n:02}_jsonl": '{"a": 1}\n' * 3000 for n in range(40)}
        files["f39_jsonl"] += '{"a": 1, "late": 2}\n'
        assert ("1", "2") in rows_of(db, logged(tmp_path, **files), "a", "late")

    @pytest.mark.parametrize("content", ["{}\n", "\n\n"])
    def test_objects_that_say_nothing_are_no_log(
        self, content: str, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        with pytest.raises(DataError, match="cannot be read"):
            rows_of(db, logged(tmp_path, a_jsonl=content))

    def test_an_hour_without_rows_is_an_empty_file(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        assert rows_of(db, logged(tmp_path, a_jsonl="", b_jsonl='{"a": 1}\n', c_jsonl_gz=gzip.compress(b""))) == [
            ("1",)
        ]

    def test_a_column_may_change_its_type_from_row_to_row(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        lines = "".join(f'{{"id": {value}}}\n' for value in ("7", '"7"', "7.0", '"007"', "null"))
        assert rows_of(db, logged(tmp_path, a_jsonl=lines)) == [("007",), ("7",), ("7",), ("7",), (None,)]


class TestParquet:
    """The types of a file are its own."""

    def test_an_id_is_the_same_whatever_type_its_file_gives_it(
        self, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        log = parquet(
            tmp_path,
            a="select 7::bigint as id, 1 as n",
            b="select 7::double as id, 2 as n",
            c="select '7' as id, 3 as n",
            d="select 7.0::decimal(9, 1) as id, 4 as n",
        )
        assert {row[0] for row in rows_of(db, log, "id")} == {"7"}
        assert open_day(db, log, view="day") == {"id": "VARCHAR", "n": "INTEGER"}

    def test_ids_beyond_what_a_float_can_tell_apart_stay_apart(
        self, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        log = parquet(tmp_path, a="select 9007199254740993::bigint as id", b="select 5::double as id")
        assert rows_of(db, log, "id") == [("5",), ("9007199254740993",)]

    def test_a_moment_is_the_same_whatever_type_its_file_gives_it(
        self, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        moments = [
            "timestamp '2026-10-01 12:00'",
            "timestamptz '2026-10-01 14:00+02'",
            "'2026-10-01T12:00:00Z'",
            "1790856000",
            "1790856000000",
        ]
        log = parquet(tmp_path, **{f"f{n}": f"select {moment} as timestamp" for n, moment in enumerate(moments)})
        columns = open_day(db, log, view="day")
        read = db.execute(f"select distinct {utc('timestamp', columns['timestamp'], log)}::varchar from day").fetchall()
        assert read == [("2026-10-01 12:00:00",)]

    def test_widths_of_one_kind_are_not_made_text(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = parquet(
            tmp_path,
            a="select 1::tinyint as n, 1::float as v, date '2026-10-01' as t, {'x': 1} as s",
            b="select 2::bigint as n, 2::double as v, timestamp '2026-10-01' as t, {'y': 1} as s",
        )
        assert open_day(db, log, view="day") == {
            "n": "BIGINT",
            "v": "DOUBLE",
            "t": "TIMESTAMP",
            "s": "STRUCT(x INTEGER, y INTEGER)",
        }

    def test_a_column_of_nothing_has_no_type_to_differ(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = parquet(tmp_path, a="select 1.5::double as v, 'x' as e")
        pq.write_table(pa.table({"v": pa.nulls(2), "e": pa.nulls(2)}), tmp_path / f"date={DAY}" / "b.parquet")
        log = day_log("outcomes", tmp_path, DAY)
        assert open_day(db, log, view="day") == {"v": "DOUBLE", "e": "VARCHAR"}
        assert rows_of(db, log) == [("1.5", "x"), (None, None), (None, None)]

    def test_fields_inside_a_column_are_not_columns(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = parquet(
            tmp_path,
            a="select {'id': 1, 'in': {'id': 'x'}} as s, [{'id': 2}] as l, 1 as id",
            b="select {'id': 1, 'in': {'id': 'x'}} as s, [{'id': 2}] as l, 'one' as id",
        )
        assert rows_of(db, log, "id") == [("1",), ("one",)]

    def test_a_column_may_be_missing_from_a_file(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = parquet(tmp_path, a="select 1 as id", b="select 'x' as id, 2 as more", c="select 3.0::double as id")
        assert rows_of(db, log, "id", "more") == [("1", None), ("3", None), ("x", "2")]

    @pytest.mark.parametrize("names", [["x", "x"], ["x", "X"]])
    def test_columns_of_parquet_have_one_name_each(
        self, names: list[str], db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        """DuckDB calls the second x_1 and says nothing; names inside of a column are its own business."""
        (tmp_path / f"date={DAY}").mkdir()
        inside = pa.array([{"x": 1, "y": 2}])
        pq.write_table(pa.table([inside, inside], names=["x", "y"]), tmp_path / f"date={DAY}" / "a.parquet")
        assert rows_of(db, day_log("outcomes", tmp_path, DAY))
        twice = pa.table([pa.array([1]), pa.array([2])], names=names)
        pq.write_table(twice, tmp_path / f"date={DAY}" / "a.parquet")
        with pytest.raises(ContractBroken, match=rf"a\.parquet has two columns '{names[1]}'"):
            rows_of(db, day_log("outcomes", tmp_path, DAY))


class TestColumnsOfOtherNames:
    """`columns` says by our name what a column is called in the log."""

    NAMES = {"timestamp": "ts", "user_id": "customer", "variant": "arm"}  # noqa: RUF012

    @pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
    def test_every_format_shows_our_names(self, kind: str, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        content = (
            "ts,customer,arm,extra\n2026-10-01,7,a,x\n"
            if "csv" in kind
            else '{"ts": "2026-10-01", "customer": "7", "arm": "a", "extra": "x"}\n'
        )
        if kind == "parquet":
            log = parquet(
                tmp_path, self.NAMES, a="select '2026-10-01' as ts, '7' as customer, 'a' as arm, 'x' as extra"
            )
        else:
            log = logged(
                tmp_path,
                self.NAMES,
                **{f"a_{kind.replace('.', '_')}": gzip.compress(content.encode()) if "gz" in kind else content},
            )
        columns = open_day(db, log, view="day", as_json=True)
        assert columns == dict.fromkeys(
            ["timestamp", "user_id", "variant", "extra"], "JSON" if "json" in kind else "VARCHAR"
        )
        assert rows_of(db, log) == [("2026-10-01", "7", "a", "x")]

    def test_types_stay_those_of_the_log(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = parquet(
            tmp_path,
            {"user_id": "n", "timestamp": "t"},
            a="select 1::bigint as n, timestamptz '2026-10-01' as t, 2.5::double as value",
        )
        assert open_day(db, log, view="day") == {
            "user_id": "BIGINT",
            "timestamp": "TIMESTAMP WITH TIME ZONE",
            "value": "DOUBLE",
        }

    def test_the_log_s_own_column_of_our_name_gives_way(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = logged(tmp_path, {"user_id": "account"}, a_csv="user_id,account\nperson,household\n")
        assert rows_of(db, log) == [("household",)]

    def test_names_may_change_places_and_serve_twice(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = logged(tmp_path, {"a": "b", "b": "a", "c": "a"}, a_csv="a,b\n1,2\n")
        assert open_day(db, log, view="day", as_json=True) == dict.fromkeys("abc", "VARCHAR")
        assert rows_of(db, log, "a", "b", "c") == [("2", "1", "1")]

    @pytest.mark.parametrize("kind", ["jsonl", "parquet"])
    def test_a_field_inside_a_column_has_its_path_for_a_name(
        self, kind: str, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        names = {"user_id": "user.id", "country": "user.home.country"}
        rows = [{"user": {"id": 7, "home": {"country": "de"}}}, {"user": {"id": None, "home": None}}]
        if kind == "jsonl":
            log = logged(tmp_path, names, a_jsonl="".join(json.dumps(row) + "\n" for row in rows))
        else:
            log = parquet(
                tmp_path,
                names,
                a="select {'id': 7, 'home': {'country': 'de'}} as user union all select {'id': null, 'home': null}",
            )
        assert rows_of(db, log, "user_id", "country") == [("7", "de"), (None, None)]

    def test_a_column_with_a_point_in_its_name_goes_first(self, db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
        log = logged(tmp_path, {"user_id": "user.id"}, a_jsonl='{"user.id": "flat", "user": {"id": "deep"}}\n')
        assert rows_of(db, log, "user_id") == [("flat",)]

    @pytest.mark.parametrize("theirs", ["custmer", "customer.id", "user.nobody", "user.id.more", "nothing.id"])
    @pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
    def test_a_column_that_is_not_there_is_told_with_those_that_are(
        self, theirs: str, kind: str, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        names = {"user_id": theirs}
        match kind:
            case "jsonl":
                log = logged(tmp_path, names, a_jsonl='{"customer": "7", "user": {"id": 7}}\n')
            case "parquet":
                log = parquet(tmp_path, names, a="select '7' as customer, {'id': 7} as user")
            case _:
                log = logged(tmp_path, names, a_csv="customer,user\n7,8\n")
        with pytest.raises(
            ContractBroken,
            match=rf"columns says that user_id is called '{theirs}', and .* it has customer \w+, user \w+",
        ):
            open_day(db, log, view="day", as_json=True)

    def test_json_need_not_speak_of_errors_on_a_day_without_any(
        self, db: duckdb.DuckDBPyConnection, tmp_path: Path
    ) -> None:
        names = {"user_id": "u", "error": "failure.kind", "fallback": "fell"}
        assert set(
            open_day(db, logged(tmp_path, names, a_jsonl='{"u": 1, "failure": null}\n'), view="day", as_json=True)
        ) == {"user_id", "failure"}
        log = logged(tmp_path, names, a_jsonl='{"u": 1, "failure": {"kind": "late"}, "fell": true}\n')
        assert rows_of(db, log, "error", "fallback") == [("late", "true")]


def test_a_day_is_looked_at_once_and_read_in_place(db: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = parquet(
        tmp_path,
        {"user_id": "u"},
        a="select range as u, 'x' as wide from range(10)",
        b="select range as u, 'x' as wide from range(10)",
    )
    open_day(db, log, view="day")
    plan = str(db.execute("explain select user_id from day").fetchall())
    assert plan.count("PARQUET") == 1
    assert "wide" not in plan
