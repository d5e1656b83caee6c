"""Units one by one, against what the engine measures of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from abflow.analysis.drawn_population import population_of
from abflow.analysis.drawn_units import DrawnUnits
from abflow.analysis.population import Measured
from abflow.analysis.unit_records import UnitRecords
from abflow.engine.instants import midnight
from abflow.engine.measuring import Recorded, measure
from abflow.engine.unit_records import unit_records, units_by_variant
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import moments_of
from abflow.stats.vector_moments import vector_moments_of
from tests.engine.small_logs import Days, random_logs, random_metrics, seeded
from tests.engine.test_history import DAYS, RATIOS, lived, random_past, with_cuped
from tests.engine.test_quantiles import answer, quantile

SEEDS = range(8)
Worlds = Callable[[int], tuple[ExperimentSpec, Recorded]]
QUANTILES = "".join(
    f"  q{number}: {quantile(fields)}\n"
    for number, fields in enumerate(
        [
            "value: latency_ms, q: 0.5",
            "value: latency_ms, q: 0.9, window_days: 1",
            "source: outcomes, event: purchase, value: value, q: 0.25, window_days: 2",
            "source: outcomes, event: purchase, value: value, q: 0.5, where: {member: true}",
        ]
    )
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    """A world by its seed, made once."""
    return cache(lambda seed: made(seed, tmp_path_factory.mktemp("world")))


def made(seed: int, folder: Path) -> tuple[ExperimentSpec, Recorded]:
    """Every kind of metric with its filters, and days before; units seen in two variants are kept in every other."""
    chance = seeded(100 + seed)
    spec = with_cuped(random_metrics(chance) + RATIOS + QUANTILES, enroll_days=chance.randint(1, 5))
    logs, past = random_logs(chance), random_past(chance, aa_days=chance.randint(0, DAYS))
    if seed % 2:
        analysis = spec.analysis.model_copy(update={"contamination": "keep_first"})
        spec = spec.model_copy(update={"analysis": analysis})
    recorded = lived(spec, folder, (with_answers(seed, logs[0]), logs[1]), (with_answers(seed, past[0]), past[1]))
    return spec, recorded


def with_answers(seed: int, days: Days) -> Days:
    return {day: [row | answer(seed, row) for row in rows] for day, rows in days.items()}


def mature_of(spec: ExperimentSpec, recorded: Recorded, metric: str) -> tuple[Any, Any]:
    """The number of each mature unit among all by their ids, and its variant."""
    period, window = recorded.period, spec.metrics[metric].window_days or 0
    asked = {
        "enroll_end": midnight(period.enroll_end),
        "latest": midnight(recorded.end) - timedelta(days=window) if window else midnight(period.end),
        "keep": spec.analysis.contamination == "keep_first",
    }
    query = (
        f"select variant, entered <= $latest as mature from '{recorded.state.file}' where entered < $enroll_end "
        "and ($keep or lowest_variant = highest_variant) order by unit_id"
    )
    with duckdb.connect(":memory:") as db:
        found = db.execute(query, asked).fetchnumpy()
    who = np.flatnonzero(found["mature"])
    return who, np.asarray(found["variant"])[who]


def undrawn(record: UnitRecords, places: Any) -> DrawnUnits:
    return DrawnUnits(of=record, places=places, numbers=None if record.numbers is None else record.numbers[places])


def assert_close(got: Any, want: Any, where: str) -> None:
    """Equal, up to the order in which numbers were added."""
    if is_dataclass(want) and not isinstance(want, type):
        assert type(got) is type(want), where
        for field in fields(want):
            assert_close(getattr(got, field.name), getattr(want, field.name), f"{where}.{field.name}")
    elif isinstance(want, tuple) and want and not isinstance(want[0], str):
        assert len(got) == len(want), where
        for number, (one, other) in enumerate(zip(got, want, strict=True)):
            assert_close(one, other, f"{where}[{number}]")
    elif isinstance(want, float):
        assert got == pytest.approx(want, rel=1e-9, abs=1e-9), where
    else:
        assert got == want, where


@pytest.mark.parametrize("seed", SEEDS)
def test_all_units_undrawn_are_what_the_engine_measures(seed: int, world: Worlds) -> None:
    spec, recorded = world(seed)
    records = unit_records(spec, recorded, list(spec.metrics), at_most=1000)
    known = measure(spec, recorded)
    arms: dict[str, dict[str, DrawnUnits]] = {variant: {} for variant in spec.variants}
    for name, record in records.items():
        who, variants = mature_of(spec, recorded, name)
        assert record.who is not None
        assert record.who.tolist() == who.tolist()
        assert record.units == len(variants)
        for variant in spec.variants:
            arms[variant][name] = undrawn(record, np.flatnonzero(variants == variant))
    drawn = population_of(spec, arms)
    assert list(records) == [*(n for n in spec.metrics if not n.startswith("q")), "q0", "q1", "q2", "q3"]
    for got in drawn.measured:
        want = known.of(got.metric, got.variant, got.contamination)
        if want is None:
            assert got.moments.n == 0
            continue
        assert_close(replace(got, immature=want.immature), want, f"{got.metric} in {got.variant}")


@pytest.mark.parametrize("seed", SEEDS)
def test_units_by_variant_have_the_moments_that_cuped_is_made_of(seed: int, world: Worlds) -> None:
    spec, recorded = world(seed)
    for want in measure(spec, recorded).measured:
        if want.rows is not None:
            continue
        units = units_by_variant(spec, recorded, want.metric, want.contamination)[want.variant]
        assert (units.before is None) == (want.history is None)
        where, did = f"{want.metric} in {want.variant}", units.numbers
        assert did is not None
        if units.before is not None:
            assert_close(vector_moments_of(np.column_stack((did, units.before))), want.history, where)
        elif want.pair is None:
            assert_close(moments_of(did), want.moments, where)


def test_the_worlds_above_have_histories_caps_rows_and_units_of_two_variants(
    world: Worlds,
) -> None:
    """Without this the comparison could pass because there is nothing to compare."""
    met: Counter[str] = Counter()
    for seed in SEEDS:
        spec, recorded = world(seed)
        population = measure(spec, recorded)
        measured: tuple[Measured, ...] = population.measured
        met["in two variants"] += population.crossed > 0
        met["history"] += any(m.history and m.history.n > 1 for m in measured)
        met["no history"] += any(m.rows is None and m.history is None for m in measured)
        met["cap"] += any(m.cap and m.moments.n for m in measured)
        met["rows"] += any(m.rows and m.rows.at_own.n > 1 for m in measured)
        met["immature"] += any(m.immature and m.moments.n for m in measured)
        met["a numerator alone"] += any(m.without_denominator for m in measured)
    assert all(count >= 2 for count in met.values()), met


@pytest.mark.parametrize("at_most", [1, 2])
def test_of_many_units_every_n_th_is_read_the_same_ones_in_every_metric(at_most: int, world: Worlds) -> None:
    spec, recorded = world(4)
    every = unit_records(spec, recorded, list(spec.metrics), at_most=1000)
    some = unit_records(spec, recorded, list(spec.metrics), at_most=at_most)
    unwindowed = [name for name, metric in spec.metrics.items() if metric.window_days is None]
    units = every[unwindowed[0]].units
    step = -(-units // at_most)
    assert step > 1
    for name in unwindowed:
        whole, part = every[name], some[name]
        assert part.units == -(-units // step) <= at_most
        if whole.numbers is not None and part.numbers is not None:
            assert part.numbers.tolist() == whole.numbers[::step].tolist()
        if whole.rows and part.rows:
            assert part.rows.per_unit.tolist() == whole.rows.per_unit[::step].tolist()
