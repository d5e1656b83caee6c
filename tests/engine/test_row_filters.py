"""Metrics that read only some rows: which rows pass, in every format, and what becomes of a filter on its way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from abflow.analysis.samples import samples_of
from abflow.engine.measures import measures_of
from abflow.engine.measuring import measure_in_depth
from abflow.errors import ContractBroken, SpecError
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.result import UnavailableReason
from tests.engine import small_logs
from tests.engine.small_logs import (
    START,
    Days,
    Format,
    Row,
    at,
    build,
    by_day,
    experiment,
    exposure,
    measured,
    outcome,
    partitions_of,
    recorded,
)

PRIMARY = "  visited: {role: primary, kind: proportion, event: visit, mde: {relative: 0.1}}\n"
TWO = [exposure("u", "a", at(0)), exposure("v", "b", at(0))]
KINDS = ["jsonl", "csv", "parquet", "parquet with types"]
LOG: dict[str, Row] = {
    "u0": {"surface": "search", "level": 5, "member": True},
    "u1": {"surface": "home", "level": 5.0, "member": False},
    "u2": {"surface": "Search", "level": 7.5, "member": None},
    "u3": {"surface": None, "level": None, "member": True},
    "u4": {"surface": "", "level": 9007199254740993, "member": False},
}


def reading(*kinds: str) -> ExperimentSpec:
    """Metrics m0, m1 and so on beside a primary."""
    return experiment(PRIMARY + "".join(f"  m{n}: {{role: secondary, {kind}}}\n" for n, kind in enumerate(kinds)))


def complete(rows: list[Row]) -> Days:
    """The rows by day, nobody's rows among them, all with the same columns."""
    unknown = dict.fromkeys(name for row in rows for name in row)
    return {day: [unknown | row for row in filed] for day, filed in by_day(rows).items()}


def means(spec: ExperimentSpec, folder: Path, exposures: list[Row], outcomes: list[Row]) -> dict[str, float]:
    """Every metric in variant a."""
    found = measured(spec, folder, complete(exposures), complete(outcomes))
    kept = (each for each in found.measured if each.contamination == "exclude")
    return {each.metric: each.moments.mean for each in kept if each.variant == "a"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("where", "units"),
    [
        ("{surface: search}", "u0"),
        ("{surface: [search, home]}", "u0 u1"),
        ("{surface: nowhere}", ""),
        ("{level: 5}", "u0 u1"),
        ("{level: [5.0, 7.5]}", "u0 u1 u2"),
        ("{level: 9007199254740993}", "u4"),
        ("{level: 9007199254740992}", ""),
        ("{member: true}", "u0 u3"),
        ("{member: [false, true]}", "u0 u1 u3 u4"),
        ("{surface: home, member: false}", "u1"),
        ("{surface: home, member: true}", ""),
    ],
)
def test_every_format_answers_alike(
    kind: str, where: str, units: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "parquet with types":
        levels = "bigint" if "9007" in where else "double"
        monkeypatch.setattr(small_logs, "TYPES", small_logs.TYPES | {"level": levels, "member": "boolean"})
    spec = reading(f"kind: count, event: click, where: {where}")
    log_format: Format = "jsonl" if kind == "jsonl" else "csv" if kind == "csv" else "parquet"
    rows = {START: [outcome(unit, "click", at(0), **columns) for unit, columns in LOG.items()]}
    built = build(spec, tmp_path, {START: TWO}, rows, kind=log_format)
    (file,) = (tmp_path / "unit_day" / str(START)).glob("events-*")
    assert built[START].events == {"click": 5}
    with duckdb.connect(":memory:") as db:
        found = db.execute(f"select unit_id from '{file}' order by unit_id").fetchall()
    assert [unit for (unit,) in found] == units.split()


def test_a_whole_number_of_a_text_log_is_the_number_and_not_the_text(tmp_path: Path) -> None:
    rows = {START: [outcome(unit, "click", at(0), level=level) for unit, level in (("u0", "5.0"), ("u1", "05"))]}
    spec = reading("kind: count, event: click, where: {level: 5}", "kind: count, event: click, where: {level: '05'}")
    built = build(spec, tmp_path, {START: TWO}, rows, kind="csv")
    assert sorted(built[START].outcome_log.read.values()) == [1, 2]


@pytest.mark.parametrize(("written", "value"), [("true", "yes"), ("on", "on"), ("no", "NO"), ("false", "0")])
def test_what_yaml_reads_as_true_or_false_matches_as_it_stands_in_the_log(
    written: str, value: str, tmp_path: Path
) -> None:
    spec = reading(f"kind: count, event: click, where: {{country: {written}}}")
    rows = {START: [outcome("u", "click", at(0), country=each) for each in (value, "CH")]}
    built = build(spec, tmp_path, {START: TWO}, rows)
    assert [*built[START].outcome_log.read.values()] == [1]


def test_a_measure_without_a_filter_keeps_its_name() -> None:
    spec = reading("kind: mean, event: purchase, value: value", "kind: count, event: purchase")
    assert [measure.label for measure in measures_of(spec)] == ["purchase:value", "visit"]


def test_a_filter_has_one_name_however_it_is_written() -> None:
    one = reading("kind: count, event: click, where: {surface: [search, home, search], level: 5.0}")
    other = reading("kind: count, event: click, where: {level: [5], surface: [home, search]}")
    assert one.sha256 == other.sha256
    assert [measure.label for measure in measures_of(one)] == [
        'click where {"level": [5], "surface": ["home", "search"]}',
        "visit",
    ]


@pytest.mark.parametrize("where", ["{level: '5'}", "{level: true}", "{levels: 5}", "{level: [5, 6]}", "{level: 5.5}"])
def test_different_filters_have_different_names(where: str) -> None:
    spec = reading("kind: count, event: click, where: {level: 5}", f"kind: count, event: click, where: {where}")
    assert len({measure.label for measure in measures_of(spec)}) == 3


def test_an_event_that_has_the_name_of_a_measure_is_refused() -> None:
    spec = reading(
        "kind: count, event: click, where: {level: 5}", """kind: count, event: 'click where {"level": [5]}'"""
    )
    with pytest.raises(SpecError, match="names an event and also what is read of another"):
        measures_of(spec)


def test_filtered_and_whole_metrics_of_one_event_do_not_stand_in_for_each_other(tmp_path: Path) -> None:
    spec = reading(
        "kind: mean, event: buy, value: value, where: {surface: search}",
        "kind: count, event: buy, where: {surface: search}",
        "kind: count, event: buy",
        "kind: count, event: buy, where: {surface: home}",
        "kind: proportion, event: buy, where: {surface: nowhere}",
        "kind: ratio, numerator: buy, numerator_value: value, denominator: buy, numerator_where: {surface: home}",
    )
    labels = {measure.label for measure in measures_of(spec) if measure.event_type == "buy"}
    assert 'buy where {"surface": ["search"]}' not in labels  # it is counted by the rows whose value is read
    buys = [("search", 3.0), ("search", 4.0), ("home", 10.0), (None, 100.0)]
    done = [outcome("u", "buy", at(0, 1), value, surface=surface) for surface, value in buys]
    found = means(spec, tmp_path, TWO, [*done, outcome("u", "visit", at(0, 1), surface="search")])
    assert found == pytest.approx({"visited": 1, "m0": 7, "m1": 2, "m2": 4, "m3": 1, "m4": 0, "m5": 2.5})


def test_a_repeated_event_counts_once_in_every_metric_that_reads_it(tmp_path: Path) -> None:
    spec = reading(
        "kind: count, event: buy, where: {surface: search}",
        "kind: count, event: buy, where: {surface: [search, home]}",
        "kind: count, event: buy, where: {surface: home}",
    )
    done = [
        outcome("u", "buy", at(0, 1), surface="search", event_id="e"),
        outcome("u", "buy", at(0, 2), surface="search", event_id="e"),
        outcome("u", "buy", at(1, 1), surface="search", event_id="e"),
        outcome("u", "buy", at(1, 2), surface="home", event_id="f"),
        outcome("u", "visit", at(1, 2), surface="home"),
    ]
    found = means(spec, tmp_path, TWO, done)
    assert found == {"visited": 1, "m0": 1, "m1": 2, "m2": 1}


def test_an_event_of_which_no_row_passes_counts_zero_and_one_that_never_occurs_is_unavailable(tmp_path: Path) -> None:
    """Rule 1.4 asks for the event's type: a unit that did it elsewhere is known not to have done it here."""
    spec = reading(
        "kind: count, event: click, where: {surface: nowhere}", "kind: count, event: never, where: {surface: search}"
    )
    done = [outcome("u", "click", at(0, 1), surface="search"), outcome("u", "visit", at(0, 1), surface=None)]
    population = measured(spec, tmp_path, by_day(TWO), complete(done))
    clicks, nothing = (samples_of(spec, population, name, "exclude")["a"] for name in ("m0", "m1"))
    assert (clicks.missing, clicks.moments.n, clicks.moments.mean) == (None, 1, 0.0)
    assert nothing.missing is not None
    assert nothing.missing.reason is UnavailableReason.NO_SUCH_EVENT


def test_a_type_that_is_only_read_through_filters_is_counted_whole_in_the_manifest(tmp_path: Path) -> None:
    spec = reading("kind: count, event: click, where: {surface: nowhere}")
    rows = [outcome("u", "click", at(0), surface="home", event_id=event_id) for event_id in ("e", "e", "f", None, None)]
    made = build(spec, tmp_path, {START: TWO}, {START: rows})[START].outcome_log
    assert (made.events, made.repeated, made.read) == ({"click": 4}, 1, {})


def test_rows_that_do_not_pass_need_no_number_and_those_that_pass_do(tmp_path: Path) -> None:
    spec = reading("kind: mean, event: buy, value: value, where: {surface: 'search: all'}")
    rows = [outcome("u", "buy", at(0), None, surface="home"), outcome("u", "buy", at(0), 2.0, surface="search: all")]
    build(spec, tmp_path / "fine", {START: TWO}, {START: rows})
    with pytest.raises(ContractBroken, match="value of 1 'buy' events"):
        build(spec, tmp_path / "broken", {START: TWO}, {START: [*rows, rows[0] | {"surface": "search: all"}]})


@pytest.mark.parametrize(
    ("kind", "log"),
    [
        ("kind: count, event: click, where: {surface: search}", "outcomes"),
        ("kind: ratio, numerator: click, denominator: exposures, denominator_where: {surface: search}", "exposures"),
        ("kind: quantile, value: latency_ms, q: 0.9, where: {surface: search}", "exposures"),
    ],
)
def test_a_log_without_the_column_of_a_filter_is_refused(kind: str, log: str, tmp_path: Path) -> None:
    shown = [row | {"latency_ms": 1.0} for row in TWO]
    with pytest.raises(ContractBroken, match=rf"log '{log}'.* no column surface \(needed by metric m0\)"):
        build(reading(kind), tmp_path, {START: shown}, {START: [outcome("u", "click", at(0))]})


def test_exposures_are_filtered_on_either_side_of_a_ratio_and_in_counts(tmp_path: Path) -> None:
    spec = reading(
        "kind: ratio, numerator: visit, denominator: exposures, denominator_where: {surface: search}",
        "kind: count, event: exposures, where: {surface: search}",
        "kind: ratio, numerator: failed_exposures, numerator_where: {error: timeout}, denominator: exposures",
        "kind: count, event: exposures, where: {fallback: false}",
        "kind: mean, event: exposures, value: latency_ms, where: {surface: home}",
    )
    calls: list[tuple[str, dict[str, Any]]] = [
        ("search", {}),
        ("search", {"error": "timeout"}),
        ("home", {"error": "refused"}),
        ("home", {"fallback": None, "latency_ms": 30.0}),
    ]
    shown = [
        exposure("u", "a", at(0, n), surface=surface, **{"latency_ms": 8.0} | more)
        for n, (surface, more) in enumerate(calls)
    ]
    shown.append(exposure("v", "b", at(0), surface="search", fallback=True, latency_ms=1.0))
    done = [outcome("u", "visit", at(0, 5))] * 3
    assert means(spec, tmp_path, shown, done)["m0"] == pytest.approx(1.5)
    found = means(spec, tmp_path / "again", shown, done)
    assert found == pytest.approx({"visited": 1, "m0": 1.5, "m1": 2, "m2": 0.25, "m3": 4, "m4": 30, "error_rate": 0.5})


def test_on_a_day_without_a_failure_a_filter_on_errors_needs_no_column(tmp_path: Path) -> None:
    spec = reading("kind: count, event: failed_exposures, where: {error: timeout}")
    assert means(spec, tmp_path, TWO, [outcome("u", "visit", at(0))])["m0"] == 0


def test_a_quantile_reads_only_rows_that_pass_and_another_of_them_all_is_not_moved(tmp_path: Path) -> None:
    spec = reading(
        "kind: quantile, value: latency_ms, q: 0.5, where: {cache: [hit, stale]}",
        "kind: quantile, value: latency_ms, q: 0.5",
        "kind: quantile, source: outcomes, event: buy, value: value, q: 0.5, where: {surface: search}",
    )
    latencies = [("hit", 1.0), ("stale", 3.0), ("miss", 40.0), ("miss", 41.0), (None, 42.0)]
    shown = [exposure("u", "a", at(0, n), cache=cache, latency_ms=ms) for n, (cache, ms) in enumerate(latencies)]
    done = [outcome("u", "buy", at(0, 5), value, surface=s) for s, value in (("search", 5.0), ("home", 50.0))]
    found = means(spec, tmp_path, shown, [*done, outcome("u", "visit", at(0, 5), surface=None)])
    assert found["m0"] == pytest.approx(2.0)
    assert found["m1"] == pytest.approx(40.0)
    assert found["m2"] == pytest.approx(5.0)
    labels = {measure.label for measure in measures_of(spec) if measure.event_type == "exposures"}
    assert labels == {"exposures:latency_ms", 'exposures:latency_ms where {"cache": ["hit", "stale"]}'}


def test_the_rows_of_a_filter_are_told_apart_also_when_there_are_none(tmp_path: Path) -> None:
    spec = reading(
        "kind: count, event: click, where: {surface: search}",
        "kind: count, event: click, where: {surface: [home, nowhere], member: true}",
        "kind: count, event: click",
    )
    done = [outcome("u", "click", at(0, 1), surface=surface, member=False) for surface in ("search", "home")]
    done.append(outcome("stranger", "click", at(0, 1), surface="search", member=False))
    built = build(spec, tmp_path, by_day(TWO), complete(done))
    look = measure_in_depth(spec, recorded(spec, tmp_path, partitions_of(tmp_path, built)))
    assert {(each.event, each.rows, each.attributed) for each in look.attribution} == {
        ("click", 3, 2),
        ("click where surface = search", 2, 1),
        ("click where member = true and surface = home or nowhere", 0, 0),
    }
