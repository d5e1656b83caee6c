from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.engine.exposure_day import Served, exposure_inputs
from abflow.engine.outcome_day import outcome_inputs
from abflow.engine.unit_day import UnitDay
from abflow.errors import ContractBroken, DataError
from abflow.logs.layout import day_log
from abflow.spec.experiment import ExperimentSpec
from tests.engine.small_logs import (
    START,
    Days,
    Format,
    Row,
    at,
    build,
    build_day,
    by_day,
    experiment,
    exposure,
    outcome,
    random_logs,
    seeded,
    write_log,
)

SPEC = experiment()
UPPER_CASE_ID = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"


def bytes_of(folder: Path) -> list[list[bytes]]:
    """The contents of every day's files, in the order units, events."""
    days = sorted((folder / "unit_day").iterdir())
    return [[file.read_bytes() for file in sorted(day.iterdir(), reverse=True)] for day in days]


def files_of(made: UnitDay) -> tuple[str, str]:
    return made.exposure_log.files[0], made.outcome_log.files[0]


def rows_of(folder: Path, built: dict[date, UnitDay]) -> list[list[tuple[Any, ...]]]:
    """The rows of every day's files, in the order in which they were written."""
    with duckdb.connect(":memory:") as db:
        return [
            db.execute(f"select * from '{folder / 'unit_day' / str(day) / name}'").fetchall()
            for day, made in built.items()
            for name in files_of(made)
        ]


def one_day(tmp_path: Path, exposures: list[Row], outcomes: list[Row], **more: Any) -> Any:
    shown, done = by_day(exposures, days=1), by_day(outcomes, days=1)
    return build(more.pop("spec", SPEC), tmp_path, shown, done, **more)[START]


def test_the_same_logs_give_the_same_bytes(tmp_path: Path) -> None:
    exposures, outcomes = random_logs(seeded(1))
    built = [build(SPEC, tmp_path / place, exposures, outcomes) for place in ("first", "second")]
    assert built[0] == built[1]
    assert bytes_of(tmp_path / "first") == bytes_of(tmp_path / "second")


def test_a_large_day_with_repeats_gives_the_same_bytes_with_any_number_of_threads(tmp_path: Path) -> None:
    spec = experiment(
        "  visited: {role: primary, kind: proportion, event: visit, mde: {relative: 0.1}}\n"
        "  slow: {role: secondary, kind: quantile, q: 0.9, value: latency_ms}\n"
    )
    shown, done = (tmp_path / log / f"date={START}" for log in ("exposures", "outcomes"))
    for folder in (shown, done):
        folder.mkdir(parents=True)
    with duckdb.connect(":memory:") as db:  # a few row groups, which threads read side by side
        db.execute(
            f"copy (select timestamp '{START}' + interval (n % 80000) second as timestamp, 'try_it' as experiment_id, "
            "'u' || n % 9000 as user_id, 'ab'[1 + n % 2] as variant, 'r' || n % 300000 as request_id, "
            f"n % 700 / 4 as latency_ms from range(400000) as t(n)) to '{shown}/a.parquet' (row_group_size 20000)"
        )
        db.execute(
            f"copy (select timestamp '{START}' as timestamp, 'u1' as user_id, 'visit' as event_type) "
            f"to '{done}/a.parquet'"
        )
    made = [
        build_day(spec, tmp_path / str(threads), shown.parent, done.parent, START, threads=threads)
        for threads in (1, 2, 4)
    ]
    assert made[0] == made[1] == made[2]
    assert made[0].exposure_log.repeated == 100_000
    assert bytes_of(tmp_path / "1") == bytes_of(tmp_path / "2") == bytes_of(tmp_path / "4")


def test_days_may_be_built_in_any_order(tmp_path: Path) -> None:
    exposures, outcomes = random_logs(seeded(2))
    in_order = build(SPEC, tmp_path / "in_order", exposures, outcomes)
    shown = write_log(tmp_path / "backwards" / "exposures", exposures)
    done = write_log(tmp_path / "backwards" / "outcomes", outcomes)
    backwards = {
        day: build_day(SPEC, tmp_path / "backwards", shown, done, day) for day in sorted(exposures, reverse=True)
    }
    assert backwards == in_order
    assert bytes_of(tmp_path / "backwards") == bytes_of(tmp_path / "in_order")


@pytest.mark.parametrize("seed", [3, 4])
def test_the_order_of_rows_does_not_matter(seed: int, tmp_path: Path) -> None:
    chance = seeded(seed)
    exposures, outcomes = random_logs(chance)
    as_is = build(SPEC, tmp_path / "as_is", exposures, outcomes)
    for rows in (*exposures.values(), *outcomes.values()):
        chance.shuffle(rows)
    shuffled = build(SPEC, tmp_path / "shuffled", exposures, outcomes)
    for one, other in zip(rows_of(tmp_path / "as_is", as_is), rows_of(tmp_path / "shuffled", shuffled), strict=True):
        assert sorted(one, key=repr) == sorted(other, key=repr)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_format_of_the_log_does_not_matter(kind: Format, tmp_path: Path) -> None:
    exposures, outcomes = random_logs(seeded(5), days=2)
    jsonl = build(SPEC, tmp_path / "jsonl", exposures, outcomes)
    other = build(SPEC, tmp_path / kind, exposures, outcomes, kind=kind)
    assert rows_of(tmp_path / kind, other) == rows_of(tmp_path / "jsonl", jsonl)
    assert [day.served for day in other.values()] == [day.served for day in jsonl.values()]


def test_repeats_with_equal_times_have_one_answer(tmp_path: Path) -> None:
    twins = [
        exposure("u", "a", at(0), request_id="r", model_version=version, fallback=fallback)
        for version, fallback in ((None, False), ("2", True), ("1", False))
    ]
    paid = [outcome("u", "purchase", at(0), value, event_id="e") for value in (7.0, 3.0, 5.0)]
    first = one_day(tmp_path / "first", twins, paid)
    second = one_day(tmp_path / "second", twins[::-1], paid[::-1])
    assert first.served == second.served == (Served(variant="a", model_version="1", fallback=False, exposures=1),)
    assert bytes_of(tmp_path / "first") == bytes_of(tmp_path / "second")


def test_the_manifest_counts_what_was_left_out(tmp_path: Path) -> None:
    shown = [
        exposure("u1", "a", at(0, 1), request_id="r1"),
        exposure("u1", "a", at(0, 2), request_id="r1"),
        exposure("u1", "a", at(0, 3)),
        exposure("u1", "a", at(0, 3)),
        exposure("u2", "b", at(0, 4), experiment_id="another"),
    ]
    done = [
        outcome("u1", "purchase", at(0, 5), event_id="e1"),
        outcome("u1", "purchase", at(0, 6), event_id="e1"),
        outcome("u1", "visit", at(0, 6)),
        outcome("u1", "visit", at(0, 6)),
        outcome("u1", "ticket", at(0, 7)),
    ]
    got = one_day(tmp_path, shown, done)
    seen = got.exposure_log
    assert (seen.rows, seen.other_experiments, seen.repeated, seen.exposures, seen.units) == (6, 2, 1, 3, 1)
    assert (got.outcome_log.rows, got.outcome_log.repeated) == (6, 1)
    assert got.events == {"purchase": 1, "visit": 2}


@pytest.mark.parametrize("where", ["", ", where: {value: 7}"])
def test_a_file_of_late_rows_says_nothing_of_its_own_day(where: str, tmp_path: Path) -> None:
    spec = experiment(
        f"  bought: {{role: primary, kind: count, event: purchase, mde: {{relative: 0.1}}{where}}}\n"
        f"  seen: {{role: secondary, kind: count, event: visit{where}}}\n"
    )
    late = outcome("u1", "purchase", at(-1, 23), 7.0)
    done = {START: [late, outcome("u1", "visit", at(0, 23), 7.0)]}
    got = build(spec, tmp_path, {START: [exposure("u1", "a", at(0))]}, done)[START]
    assert got.events == {"purchase": 1, "visit": 1}
    assert got.outcome_log.seen == ("visit",)


def test_an_event_read_through_two_columns_is_repeated_once(tmp_path: Path) -> None:
    spec = experiment(
        "  paid: {role: primary, kind: mean, event: purchase, value: value, mde: {relative: 0.1}}\n"
        "  taxed: {role: secondary, kind: mean, event: purchase, value: tax}\n"
    )
    done = [outcome("u1", "purchase", at(0, hour), event_id="e1") for hour in (5, 6, 7)]
    got = one_day(tmp_path, [exposure("u1", "a", at(0))], done, spec=spec)
    assert got.events == {"purchase": 1}
    assert got.outcome_log.repeated == 2


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_units_keep_the_names_they_have_in_the_log(kind: Format, tmp_path: Path) -> None:
    """A reader that guesses types turns the first into lower case, and the second into 01:00:00."""
    for n, unit in enumerate((UPPER_CASE_ID, "1:00:00", "0071", "12345678901234567890123")):
        rows: Days = {START: [exposure(unit, "a", at(0))]}
        built = build(SPEC, tmp_path / str(n), rows, {START: [outcome(unit, "visit", at(0))]}, kind=kind)
        place = tmp_path / str(n) / "unit_day" / str(START)
        with duckdb.connect(":memory:") as db:
            for name in files_of(built[START]):
                assert db.execute(f"select unit_id from '{place / name}'").fetchall() == [(unit,)]


def test_numbers_and_texts_may_both_name_units_in_jsonl(tmp_path: Path) -> None:
    ids: list[Any] = [7, "guest", 12345678901234567890123]
    rows = [exposure(unit, "a", at(0)) for unit in ids]
    built = one_day(tmp_path, rows, [outcome("guest", "visit", at(0))])
    with duckdb.connect(":memory:") as db:
        found = db.execute(
            f"select unit_id from '{tmp_path}/unit_day/{START}/{built.exposure_log.files[0]}' order by all"
        )
        assert found.fetchall() == [("12345678901234567890123",), ("7",), ("guest",)]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_rows_with_an_empty_id_are_distinct(kind: Format, tmp_path: Path) -> None:
    shown = [exposure("u", "a", at(0), request_id="")] * 3
    done = [outcome(unit, "visit", at(0), event_id="") for unit in ("u", "v", "w")]
    got = one_day(tmp_path, shown, done, kind=kind)
    assert (got.exposure_log.exposures, got.exposure_log.repeated) == (3, 0)
    assert (got.events, got.outcome_log.repeated, got.outcome_log.has_ids) == ({"visit": 3}, 0, False)


@pytest.mark.parametrize(
    ("shown", "done", "words"),
    [
        ({"variant": "c"}, {}, ["1 rows of try_it", "'c'", "a, b"]),
        ({"variant": None}, {}, ["'exposures'", "variant in 1 rows"]),
        ({"user_id": None}, {}, ["'exposures'", "user_id in 1 rows"]),
        ({"user_id": ""}, {}, ["'exposures'", "user_id in 1 rows"]),
        ({"timestamp": None}, {}, ["'exposures'", "timestamp in 1 rows"]),
        ({"timestamp": "yesterday"}, {}, ["'exposures'", "timestamp in 1 rows"]),
        ({"experiment_id": None}, {}, ["'exposures'", "experiment_id in 1 rows"]),
        ({}, {"user_id": None}, ["'outcomes'", "user_id in 1 rows"]),
        ({}, {"user_id": ""}, ["'outcomes'", "user_id in 1 rows"]),
        ({}, {"timestamp": None}, ["'outcomes'", "timestamp in 1 rows"]),
        ({}, {"value": None}, ["value of 1 'purchase' events", "missing or not a finite number"]),
        ({}, {"value": "much"}, ["value of 1 'purchase' events", "missing or not a finite number"]),
        ({}, {"value": "inf"}, ["value of 1 'purchase' events", "missing or not a finite number"]),
        ({}, {"value": "NaN"}, ["value of 1 'purchase' events", "missing or not a finite number"]),
    ],
)
def test_a_row_that_cannot_be_counted_is_refused_with_words(
    shown: Row, done: Row, words: list[str], tmp_path: Path
) -> None:
    exposures = [exposure("u1", "a", at(0)), exposure("u2", "b", at(0)) | shown, exposure("u3", "a", at(1))]
    outcomes = [outcome("u1", "purchase", at(0)), outcome("u2", "purchase", at(0)) | done]
    with pytest.raises(ContractBroken) as caught:
        build(SPEC, tmp_path, {START: exposures}, {START: outcomes})
    assert all(word in str(caught.value) for word in [*words, f"day {START}"]), caught.value
    changed, given = next(iter((shown | done).items()))
    file = tmp_path / ("exposures" if shown else "outcomes") / f"date={START}" / "part-0.jsonl"
    told = str(caught.value).partition(f" The first of them is row 2 of {file}: ")[2]
    assert f"{changed} {'missing' if given is None else repr(given)}" in told
    assert "user_id 'u2'" in told or changed == "user_id"


def test_of_several_files_the_one_with_the_broken_row_is_named(tmp_path: Path) -> None:
    """Also where a filter says which rows are read at all, and a file has no row."""
    rows = [outcome("u1", "purchase", at(0), device="phone"), outcome("u2", "purchase", at(0), device="desk")]
    broken = [outcome("u3", "purchase", at(0), None, device=device) for device in ("desk", "phone")]
    shown = write_log(tmp_path / "exposures", {START: [exposure("u1", "a", at(0))]})
    done = write_log(tmp_path / "outcomes", {START: rows})
    first = next(done.rglob("*.jsonl"))
    second, empty = first.with_name("part-1.jsonl"), first.with_name("part-2.jsonl")
    second.write_text("".join(json.dumps(row, default=str) + "\n" for row in broken))
    empty.touch()
    spec = experiment(
        "  paid: {role: primary, kind: mean, event: purchase, value: value, where: {device: phone},"
        " mde: {relative: 0.1}}\n"
    )
    with pytest.raises(ContractBroken, match=rf"value of 1 'purchase' events .* row 2 of {second}: .* value missing"):
        build_day(spec, tmp_path, shown, done, START)


def test_where_one_file_holds_every_day_a_row_is_numbered_among_all_of_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "outcomes" / "all.csv"
    file.parent.mkdir()
    lines = [f"{at(day):%Y-%m-%d %H:%M},u{day},purchase,{1.5 if day == 0 else ''}" for day in (1, 0, 2, 1)]
    file.write_text("\n".join(["timestamp,user_id,event_type,value", *lines]) + "\n")
    last = at(2).date()
    shown = write_log(tmp_path / "exposures", {last: [exposure("u1", "a", at(2))]})
    with pytest.raises(ContractBroken, match=f"The first of them is row 3 below the names of the columns of {file}: "):
        build_day(SPEC, tmp_path, shown, file.parent, last)


def test_a_broken_row_of_another_experiment_is_its_own_business(tmp_path: Path) -> None:
    foreign = exposure(None, None, None, experiment_id="another")
    got = build(SPEC, tmp_path, {START: [foreign, exposure("u", "a", at(0))]}, {START: [outcome("u", "visit", at(0))]})
    assert got[START].exposure_log.exposures == 1


@pytest.mark.parametrize(
    ("log", "column", "reason"),
    [
        ("exposures", "variant", "the exposure log"),
        ("exposures", "experiment_id", "the exposure log"),
        ("outcomes", "event_type", "the outcome log"),
        ("outcomes", "value", "metric revenue"),
    ],
)
def test_a_missing_column_names_who_needs_it(log: str, column: str, reason: str, tmp_path: Path) -> None:
    exposures, outcomes = [exposure("u", "a", at(0))], [outcome("u", "purchase", at(0))]
    for row in exposures if log == "exposures" else outcomes:
        del row[column]
    with pytest.raises(ContractBroken, match=rf"has no column {column} \(needed by {reason}\)"):
        build(SPEC, tmp_path, {START: exposures}, {START: outcomes})


def test_optional_columns_may_be_absent(tmp_path: Path) -> None:
    shown = {"timestamp": at(0), "experiment_id": SPEC.experiment, "user_id": "u", "variant": "a"}
    done = {"timestamp": at(0), "user_id": "u", "event_type": "visit", "value": 1}
    got = build(SPEC, tmp_path, {START: [shown, shown]}, {START: [done, done]})[START]
    assert (got.exposure_log.exposures, got.events) == (2, {"visit": 2})
    assert got.served == (Served(variant="a", model_version=None, fallback=False, exposures=2),)


def test_inputs_change_with_logs_and_with_what_is_read_of_them_only(tmp_path: Path) -> None:
    shown = write_log(tmp_path / "e", {START: [exposure("u", "a", at(0))]})
    done = write_log(tmp_path / "o", {START: [outcome("u", "visit", at(0))]})
    days = day_log("exposures", shown, START), day_log("outcomes", done, START)

    def inputs(spec: ExperimentSpec) -> tuple[str, str]:
        return exposure_inputs(spec, days[0]), outcome_inputs(spec, days[1])

    before = inputs(SPEC)
    longer = experiment(days=6)
    another = experiment("  paid: {role: primary, kind: mean, event: purchase, value: tax, mde: {relative: 0.1}}\n")
    assert inputs(longer) == before
    assert inputs(another) == (before[0], inputs(another)[1]) != before
    other_variants = inputs(experiment(variants="{a: {weight: 0.5}, c: {weight: 0.5}}"))
    assert other_variants == (other_variants[0], before[1]) != before
    with (done / f"date={START}" / "part-0.jsonl").open("a") as log:
        log.write(json.dumps(outcome("u", "visit", None)) + "\n")
    restated = inputs(SPEC)
    assert restated == (before[0], restated[1]) != before


def test_a_file_that_breaks_off_says_where(tmp_path: Path) -> None:
    shown = write_log(tmp_path / "e", {START: [exposure("u", "a", at(0))] * 3})
    done = write_log(tmp_path / "o", {START: [outcome("u", "visit", at(0))]})
    file = shown / f"date={START}" / "part-0.jsonl"
    file.write_text(file.read_text()[:-20])
    with pytest.raises(DataError, match=r"part-0\.jsonl, line 3"):
        build_day(SPEC, tmp_path, shown, done, START)
