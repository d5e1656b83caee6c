"""Both engines make the same partitions and the same numbers of the same logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from abflow.engine.exposure_day import build_exposure_day
from abflow.engine.history import outcomes_of
from abflow.engine.measuring import Recorded, measure_in_depth, unit_values
from abflow.engine.outcome_day import build_outcome_day
from abflow.engine.unit_day import Partition, UnitDay
from abflow.engine.unit_records import unit_records, units_by_variant
from abflow.engine.unit_state import KnownState, roll_state
from abflow.logs.layout import day_log
from abflow.logs.resources import Resources
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec
from tests.engine.rich_logs import rich_aa, rich_logs
from tests.engine.small_logs import (
    START,
    Days,
    Format,
    Row,
    at,
    exposure,
    outcome,
    seeded,
    write_log,
)
from tests.engine.small_logs import experiment as small_experiment
from tests.local_spark import spark_master

METRICS = """
  visited: {role: primary, kind: proportion, event: visit, window_days: 1, mde: {absolute: 0.1}}
  purchases: {role: secondary, kind: count, event: purchase}
  taxed: {role: secondary, kind: count, event: purchase, where: {tax: [0.5, 0.25]}}
  tickets: {role: secondary, kind: count, event: ticket, where: {tax: [0.5, 0.25, 0.75, 1]}}
  revenue: {role: secondary, kind: mean, event: purchase, value: value, cap: 4.5}
  tax: {role: secondary, kind: mean, event: purchase, value: tax, window_days: 1}
  basket: {role: secondary, kind: ratio, numerator: purchase, numerator_value: value, denominator: visit, why: asked}
  per_exposure: {role: secondary, kind: ratio, numerator: visit, denominator: exposures, why: asked for}
  median: {role: secondary, kind: quantile, q: 0.5, value: value, source: outcomes, event: purchase}
  slow: {role: secondary, kind: quantile, q: 0.9, value: latency_ms}
"""
ENGINES = ("duckdb", "spark")


def resources() -> Resources:
    return Resources(threads=1, spark_master=spark_master())


def on(engine: str, spec: ExperimentSpec) -> ExperimentSpec:
    return spec.model_copy(update={"engine": engine})


def build(spec: ExperimentSpec, place: Path, logs: Path, days: Sequence[date]) -> list[Partition]:
    found = []
    for day in days:
        folder = place / str(day)
        folder.mkdir(parents=True)
        made = UnitDay(
            exposure_log=build_exposure_day(spec, day_log("exposures", logs / "e", day), folder, resources=resources()),
            outcome_log=build_outcome_day(spec, day_log("outcomes", logs / "o", day), folder, resources=resources()),
        )
        found.append(Partition(made=made, exposures=folder, outcomes=folder))
    return found


def by_engine(spec: ExperimentSpec, place: Path, shown: Days, done: Days, kind: Format) -> list[list[Partition]]:
    write_log(place / "e", shown, kind)
    write_log(place / "o", done, kind)
    return [build(on(engine, spec), place / engine, place, list(shown)) for engine in ENGINES]


def content(file: Path) -> tuple[list[tuple[Any, ...]], list[str]]:
    """The columns of a Parquet file with their types, and its rows in some order of their own."""
    with duckdb.connect(":memory:") as db:
        columns = [row[:2] for row in db.execute(f"describe from '{file}'").fetchall()]
        return columns, sorted(map(repr, db.execute(f"from '{file}'").fetchall()))


def assert_same(one: Partition, other: Partition) -> None:
    logs = ((one.made.exposure_log, other.made.exposure_log), (one.made.outcome_log, other.made.outcome_log))
    for left, right in logs:
        different = {"inputs", "files"}  # the engine is one of the inputs, which name the files
        for field in fields(left):
            if field.name not in different:
                assert getattr(right, field.name) == getattr(left, field.name), field.name
        for file, twin in zip(left.files, right.files, strict=True):
            assert content(other.exposures / twin) == content(one.exposures / file), file


def with_latencies(days: dict[date, list[Row]], seed: int) -> dict[date, list[Row]]:
    """Every call took some time, and some failed."""
    chance = seeded(seed)

    def of_call() -> Row:
        failed = chance.random() < 0.1
        return {"latency_ms": None if failed else chance.randint(1, 4000) / 8, "error": "timeout" if failed else None}

    return {day: [row | of_call() for row in rows] for day, rows in days.items()}


@pytest.mark.parametrize(("seed", "kind"), [(0, "parquet"), (1, "jsonl"), (2, "csv")])
def test_random_logs_become_the_same_partitions(seed: int, kind: Format, tmp_path: Path) -> None:
    shown, done = rich_logs(seeded(seed), days=2)
    spec = small_experiment(METRICS, enroll_days=2, segments="[country]")
    on_duckdb, on_spark = by_engine(spec, tmp_path, with_latencies(shown, seed), done, kind)
    for one, other in zip(on_duckdb, on_spark, strict=True):
        assert_same(one, other)


def test_repeats_with_equal_times_have_one_answer_on_both(tmp_path: Path) -> None:
    """The whole row decides, and what is missing comes last."""
    more = ((None, "CH"), ("2", None), ("1", None), ("1", "AT"))
    shown = [
        exposure("u", "a", at(0), request_id=request, model_version=version, country=country, variant_propensity=0.5)
        for request in ("r", None)
        for version, country in more
    ]
    done = [outcome("u", "purchase", at(0), value, event_id="e") for value in (7.0, 3.0, 5.0)]
    spec = small_experiment(segments="[country]")
    one, other = by_engine(spec, tmp_path, {START: shown}, {START: done}, "parquet")
    assert_same(one[0], other[0])
    assert other[0].made.exposure_log.repeated == 3


def recorded(spec: ExperimentSpec, folder: Path, partitions: list[Partition], aa: Sequence[Partition] = ()) -> Recorded:
    """The phase so far, its state rolled on day by day."""
    period, known = calendar_of(spec).test, None
    folder.mkdir()
    for end in range(1, len(partitions) + 1):
        made = roll_state(spec, period, partitions[:end], folder, aa=aa, known=known, resources=resources())
        known = KnownState(made=made, folder=folder)
    assert known is not None
    return Recorded(period=period, state=known, partitions=tuple(partitions), aa=tuple(aa))


def test_random_logs_give_the_same_moments(tmp_path: Path) -> None:
    """To the last digit, from logs to everything that a look shows; with late rows, repeats and other experiments.

    Some events were counted in an A/A phase of one day.
    """
    shown, done = rich_logs(seeded(6), days=2)
    spec = small_experiment(METRICS, enroll_days=2, days=2, segments="[country]")
    built = by_engine(spec, tmp_path, with_latencies(shown, 6), done, "parquet")
    shown, done = rich_aa(seeded(7), days=1)
    before = by_engine(spec, tmp_path / "aa", with_latencies(shown, 7), done, "parquet")
    records = [
        recorded(on(engine, spec), tmp_path / f"{engine} state", partitions, aa)
        for engine, partitions, aa in zip(ENGINES, built, before, strict=True)
    ]
    assert content(records[0].state.file) != content(recorded(spec, tmp_path / "no aa", built[0]).state.file)
    assert content(records[1].state.file) == content(records[0].state.file)
    one, other = (
        measure_in_depth(on(engine, spec), record, resources=resources())
        for engine, record in zip(ENGINES, records, strict=True)
    )
    for field in fields(one):
        assert getattr(other, field.name) == getattr(one, field.name), field.name
    assert sum(cohort.units for cohort in one.cohorts if cohort.crossed) > 0
    assert len({measured.metric for measured in one.measured}) == len(spec.metrics)


def test_history_buckets_and_percentiles_are_the_same(tmp_path: Path) -> None:
    """What units did before, who was given the wrong variant, and a cap that the units themselves set."""
    spec = small_experiment(
        "  paid: {role: primary, kind: mean, event: purchase, value: value, cap: p75, mde: {relative: 0.1}}\n"
        "  median: {role: secondary, kind: quantile, q: 0.5, value: value, source: outcomes, event: purchase}\n"
        "analysis: {cuped: {days: 1}}\n",
        enroll_days=1,
        days=1,
        assignment="hash",
    )
    chance = seeded(4)
    units = [f"u{n}" for n in range(30)]
    shown = {START: [exposure(unit, chance.choice("ab"), at(0, 6)) for unit in units]}
    before = START - timedelta(days=1)
    done = {
        day: [outcome(chance.choice(units), "purchase", at(n, 12), chance.randint(1, 400) / 16) for _ in range(60)]
        for n, day in ((-1, before), (0, START))
    }
    built = by_engine(spec, tmp_path, shown, done, "parquet")
    populations, values, befores, records = [], [], [], []
    for engine, partitions in zip(ENGINES, built, strict=True):
        own = on(engine, spec)
        log = day_log("outcomes", tmp_path / "o", before)
        past = outcomes_of(build_outcome_day(own, log, tmp_path / engine, resources=resources()), tmp_path / engine)
        record = replace(recorded(own, tmp_path / f"{engine} state", partitions), before=(past,))
        populations.append(measure_in_depth(own, record, resources=resources()))
        values.append(unit_values(own, record, "paid", "keep_first", resources=resources()))
        befores.append(units_by_variant(own, record, "paid", "keep_first", resources=resources()))
        records.append(unit_records(own, record, ["paid", "median"], at_most=20, resources=resources()))
    one, other = populations
    assert one.misassigned == other.misassigned
    assert one.misassigned
    for left, right in zip(one.measured, other.measured, strict=True):
        if left.rows:
            assert right.rows == left.rows
            continue
        assert left.history is not None
        assert right.history is not None
        # A percentile lies between two units, and Spark weighs them by another formula.
        assert right.cap == pytest.approx(left.cap, rel=1e-15)
        assert (right.moments.mean, right.moments.m2) == pytest.approx((left.moments.mean, left.moments.m2), rel=1e-14)
        assert np.allclose(right.history.cross, left.history.cross, rtol=1e-14)
    for variant in spec.variants:
        assert np.allclose(values[1][variant], values[0][variant], rtol=1e-15)
        by_duckdb, by_spark = (each[variant].before for each in befores)
        assert by_duckdb is not None
        assert by_spark is not None
        assert np.allclose(by_spark, by_duckdb, rtol=1e-15)
    (paid, median), (same_paid, same_median) = ((found["paid"], found["median"]) for found in records)
    assert paid.units == same_paid.units == median.units == same_median.units == 15  # every second one
    assert paid.before is not None
    assert paid.before.any()
    for these, those in ((paid.numbers, same_paid.numbers), (paid.before, same_paid.before)):
        assert these is not None
        assert those is not None
        assert np.allclose(those, these, rtol=1e-15)
    assert median.rows is not None
    assert same_median.rows is not None
    assert same_median.rows.values.tolist() == median.rows.values.tolist()
    assert same_median.rows.unit.tolist() == median.rows.unit.tolist()
