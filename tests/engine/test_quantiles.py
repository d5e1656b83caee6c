"""Quantiles read from the logs: against a slow reference, and where the rules leave rows out."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from abflow.analysis.compare import difference
from abflow.analysis.population import Measured, Population
from abflow.engine.measures import measures_of
from abflow.engine.measuring import measure, unit_values
from abflow.errors import ContractBroken
from abflow.logs.resources import Resources
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric
from abflow.stats.log_histogram import LogHistogram
from abflow.stats.moments import NO_PAIRS, JointMoments, joint_moments_of
from abflow.stats.quantile_rows import QuantileRows, quantile_rows_of
from abflow.stats.quantiles import difference_in_quantiles
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from tests.engine.reference import calls_of, expected_rows, expected_units, has_failed, with_aa
from tests.engine.small_logs import (
    Days,
    Row,
    at,
    build,
    by_day,
    experiment,
    exposure,
    measured,
    outcome,
    partitions_of,
    random_aa,
    random_logs,
    recorded,
    seeded,
)

SEEDS = range(30)
HEAPED = [0.0, 12.0, 40.0, 41.0, 250.0]
PRIMARY = "  visited: {role: primary, kind: proportion, event: visit, mde: {absolute: 0.1}}\n"


def quantile(fields: str) -> str:
    return f"{{role: secondary, kind: quantile, {fields}}}"


MEDIAN = f"{PRIMARY}  median: {quantile('value: latency_ms, q: 0.5')}\n"


def answered(rows: list[Row]) -> Days:
    """Exposures by day, nobody's rows among them with a latency too."""
    return {day: [{"latency_ms": 1.0, "error": None} | row for row in filed] for day, filed in by_day(rows).items()}


def random_world(seed: int) -> tuple[ExperimentSpec, Days, Days]:
    """Quantiles with and without windows, over logs with failed calls in them; every other log is of heaped values."""
    chance = seeded(seed)
    exposures, outcomes = random_logs(chance)
    for rows in exposures.values():
        for row in rows:
            row.update(answer(seed, row))
    windows = ["", "", ", window_days: 1", ", window_days: 2", ", window_days: 4"]
    kinds = [
        "value: latency_ms, q: 0.5",
        "value: latency_ms, q: 0.95",
        "source: outcomes, event: purchase, value: value, q: 0.25",
        "source: outcomes, event: purchase, value: tax, q: 0.9",
        "source: outcomes, event: visit, value: value, q: 0.5",
    ]
    filtered = [
        "value: latency_ms, q: 0.5, where: {surface: [search, 5]}",
        "source: outcomes, event: purchase, value: value, q: 0.5, where: {member: true}",
    ]
    chosen = [*chance.sample(kinds, k=4), *chance.sample(kinds, k=2), *filtered]
    lines = [
        f"  m{n}: {{role: secondary, kind: quantile, {kind}{chance.choice(windows)}}}\n"
        for n, kind in enumerate(chosen)
    ]
    return experiment(PRIMARY + "".join(lines), enroll_days=chance.randint(1, 5)), exposures, outcomes


def answer(seed: int, row: Row) -> Row:
    """A latency or an error; rows that nothing else tells apart have the same."""
    chance = random.Random(f"{seed} {row['user_id']} {row['timestamp']} {row['variant']}")  # noqa: S311
    latency = chance.lognormvariate(4, 1.5) if seed % 2 else chance.choice(HEAPED)
    if chance.random() < 0.15:
        return {"latency_ms": -1.0, "error": chance.choice(["timeout", "", None])}
    return {"latency_ms": latency, "error": "late" if chance.random() < 0.1 else chance.choice(["", None])}


Cells = dict[tuple[str, str, str], Measured]


def quantiles_in(population: Population, spec: ExperimentSpec) -> Cells:
    """Every quantile by name, variant and contamination policy."""
    return {
        (each.metric, each.variant, each.contamination): each
        for each in population.measured
        if isinstance(spec.metrics[each.metric], QuantileMetric)
    }


def rows_of(found: Measured) -> QuantileRows:
    assert found.rows is not None
    return found.rows


def level_of(spec: ExperimentSpec, name: str) -> float:
    metric = spec.metrics[name]
    assert isinstance(metric, QuantileMetric)
    return metric.q


def value_at(q: float, histogram: LogHistogram) -> float:
    value = histogram.quantile(q)
    assert isinstance(value, float)
    return value


def close(got: JointMoments, want: list[tuple[int, int]]) -> bool:
    """Whether moments are those of rows at or below a cut and all rows, unit by unit."""
    exact = joint_moments_of([below for below, _ in want], [rows for _, rows in want]) if want else NO_PAIRS
    numbers = [(each.mean_x, each.mean_y, each.m2_x, each.m2_y, each.cross) for each in (got, exact)]
    return got.n == exact.n and numbers[0] == pytest.approx(numbers[1], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_logs_give_the_rows_that_the_rules_say(seed: int, tmp_path: Path) -> None:
    spec, exposures, outcomes = random_world(seed)
    before: tuple[Days, Days] = ({}, {})
    if seed % 3 == 0:
        shown, before_done = random_aa(seeded(seed + 100))
        before = {day: [row | answer(seed, row) for row in rows] for day, rows in shown.items()}, before_done
    aa = partitions_of(tmp_path / "aa", build(spec, tmp_path / "aa", *before))
    partitions = partitions_of(tmp_path, build(spec, tmp_path, exposures, outcomes))
    got = quantiles_in(measure(spec, recorded(spec, tmp_path, partitions, aa=aa)), spec)
    wanted = expected_rows(spec, calendar_of(spec).test, exposures, with_aa(outcomes, before[1]))
    assert set(got) == set(wanted)
    for (name, variant, policy), want in wanted.items():
        found, q = got[name, variant, policy], level_of(spec, name)
        rows = rows_of(found)
        arms = [cell for cell in wanted if (cell[0], cell[2]) == (name, policy)]
        assert (found.moments.n, found.immature) == (len(want.by_unit), want.immature)
        assert sum(rows.histogram.rows) == len(want.values)
        if want.values:
            exact = 1e-12 if seed % 2 == 0 else 0.005
            own = value_at(q, rows.histogram)
            pooled = value_at(q, sum((rows_of(got[arm]).histogram for arm in arms), LogHistogram()))
            assert own == pytest.approx(np.quantile(want.values, q), rel=exact, abs=1e-12)
            assert pooled == pytest.approx(np.quantile([v for a in arms for v in wanted[a].values], q), rel=exact)
            assert found.moments.mean == own
            assert close(rows.at_own, want.at_or_below(own))
            assert close(rows.at_pooled, want.at_or_below(pooled))
            sides = [(below > 0, below < every) for below, every in want.at_or_below(own)]
            assert found.non_zero == min(sum(below for below, _ in sides), sum(above for _, above in sides))


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_the_built_in_error_rate_counts_every_call_once(seed: int, tmp_path: Path) -> None:
    """Failed calls stand among the rows of a latency without a number, so exposures are not written twice."""
    spec, exposures, outcomes = random_world(seed)
    period = calendar_of(spec).test
    spec = spec.model_copy(update={"metrics": spec.metrics | {"median": experiment(MEDIAN).metrics["median"]}})
    spec = ExperimentSpec.model_validate(spec.model_dump(mode="json", by_alias=True))
    assert "error_rate" in spec.metrics
    assert [measure.label for measure in measures_of(spec) if measure.event_type == "exposures"] == [
        "exposures:latency_ms",
        'exposures:latency_ms where {"surface": ["search", 5]}',
    ]
    population = measured(spec, tmp_path, exposures, outcomes)
    units = {name: unit for name, unit in expected_units(spec, period, exposures).items() if unit.enrolled}
    calls = calls_of(spec, exposures)
    for variant in "ab":
        counts = [
            (sum(has_failed(row) for row in own), len(own))
            for name, unit in units.items()
            if unit.variant == variant
            for own in [[r for r in calls if r["user_id"] == name and unit.entered <= r["timestamp"] < at(period.days)]]
        ]
        found = population.of("error_rate", variant, "keep_first")
        if counts:
            assert found is not None
            assert found.pair is not None
            assert close(found.pair, counts)
            assert found.non_zero == sum(failed > 0 for failed, _ in counts)


def test_the_random_logs_meet_every_awkward_case() -> None:
    """Without this the comparison above could pass because nothing happens in its logs."""
    met: Counter[str] = Counter()
    for seed in SEEDS:
        spec, exposures, outcomes = random_world(seed)
        rows = [row for day in exposures.values() for row in day]
        met["failed"] += sum(row["latency_ms"] < 0 for row in rows)
        met["an error with a latency"] += sum(row["latency_ms"] >= 0 and bool(row["error"]) for row in rows)
        files = [{row["request_id"] for row in day} - {None} for day in exposures.values()]
        met["a request in two files"] += sum(len(one & next_) for one, next_ in itertools.pairwise(files))
        scopes = Counter(
            (m.value, m.event, m.window_days, str(m.where)) for m in spec.metrics.values() if m.kind == "quantile"
        )
        met["two levels of the same rows"] += max(scopes.values()) > 1
        wanted = expected_rows(spec, calendar_of(spec).test, exposures, outcomes)
        for (name, variant, policy), want in wanted.items():
            met["immature"] += want.immature
            met["nobody has rows"] += not want.values
            met["several rows of a unit"] += max(map(len, want.by_unit.values()), default=0) > 1
            met["crossed"] += policy == "keep_first" and want != wanted.get((name, variant, "exclude"))
    assert all(count >= 3 for count in met.values()), met


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_units_one_by_one_have_their_rows_at_or_below_the_quantile_of_all(seed: int, tmp_path: Path) -> None:
    spec, exposures, outcomes = random_world(seed)
    built = build(spec, tmp_path, exposures, outcomes)
    record = recorded(spec, tmp_path, partitions_of(tmp_path, built))
    wanted = expected_rows(spec, calendar_of(spec).test, exposures, outcomes)
    got = quantiles_in(measure(spec, record), spec)
    for (name, variant, policy), want in wanted.items():
        arms = [found for cell, found in got.items() if (cell[0], cell[2]) == (name, policy)]
        histogram = sum((rows_of(found).histogram for found in arms), LogHistogram())
        if histogram.rows:
            by_unit = dict(zip(want.by_unit, want.at_or_below(value_at(level_of(spec, name), histogram)), strict=True))
            pairs = unit_values(spec, record, name, arms[0].contamination)[variant]
            assert [(below, every) for below, every in pairs] == [by_unit[unit] for unit in sorted(by_unit)]


def test_the_order_of_rows_and_the_number_of_threads_change_nothing(tmp_path: Path) -> None:
    spec, exposures, outcomes = random_world(1)
    found = []
    for threads in (1, 4):
        folder = tmp_path / str(threads)
        built = build(spec, folder, exposures, outcomes)
        record = recorded(spec, folder, partitions_of(folder, built), threads=threads)
        found.append(quantiles_in(measure(spec, record, resources=Resources(threads=threads)), spec))
        for rows in (*exposures.values(), *outcomes.values()):
            assert isinstance(rows, list)
            rows.reverse()
    assert found[0] == found[1]


def test_rows_in_memory_give_the_same(tmp_path: Path) -> None:
    chance = np.random.default_rng(7)
    exposures = [
        exposure(f"u{unit}", "ab"[unit % 2], at(0, hour), latency_ms=float(latency))
        for unit in range(60)
        for hour, latency in enumerate(chance.lognormal(4, 1, size=1 + unit % 5))
    ]
    found = quantiles_in(measured(experiment(MEDIAN), tmp_path, answered(exposures), by_day([])), experiment(MEDIAN))
    arms = []
    for variant in "ab":
        own = [row for row in exposures if row["variant"] == variant]
        arms.append(([row["user_id"] for row in own], [row["latency_ms"] for row in own]))
    in_memory = quantile_rows_of(arms, 0.5)
    assert not isinstance(in_memory, Unavailable)
    for variant, want in zip("ab", in_memory, strict=True):
        rows = rows_of(found["median", variant, "exclude"])
        assert rows.histogram == want.histogram
        assert rows.at_own.m2_x == pytest.approx(want.at_own.m2_x, rel=1e-12)
        assert rows.at_pooled.cross == pytest.approx(want.at_pooled.cross, rel=1e-12)


def test_a_row_exactly_at_the_end_of_the_window_is_out(tmp_path: Path) -> None:
    spec = experiment(MEDIAN.replace("q: 0.5", "q: 0.5, window_days: 1"))
    when = {10.0: at(0, 5), 20.0: at(1, 5) - timedelta(microseconds=1), 40.0: at(1, 5), 80.0: at(2)}
    exposures = [exposure("u", "a", moment, latency_ms=value) for value, moment in when.items()]
    found = quantiles_in(measured(spec, tmp_path, answered(exposures), by_day([])), spec)["median", "a", "exclude"]
    assert rows_of(found).histogram.highs == (10.0, 20.0)
    assert found.moments.mean == 15.0


def test_a_latency_that_is_missing_although_the_call_did_not_fail_is_refused(tmp_path: Path) -> None:
    spec = experiment(MEDIAN)
    exposures = [
        exposure("u", "a", at(0, 3), latency_ms=None, error="timeout"),
        exposure("u", "a", at(0, 4), latency_ms=2.5),
        exposure("u", "a", at(0, 5), latency_ms=None),
    ]
    with pytest.raises(ContractBroken, match="latency_ms of 1 exposures whose call did not fail is missing") as caught:
        measured(spec, tmp_path, answered(exposures), by_day([]))
    assert "The first of them is row 4 of " in str(caught.value)
    assert str(caught.value).endswith("user_id 'u', variant 'a', latency_ms missing.")


def test_an_arm_without_a_row_has_no_quantile_and_says_why(tmp_path: Path) -> None:
    spec = experiment(
        PRIMARY + "  p: {role: secondary, kind: quantile, source: outcomes, event: buy, value: value, q: 0.5}\n"
    )
    exposures = [exposure(f"u{n}", "ab"[n % 2], at(0, 1)) for n in range(40)]
    bought = [outcome(f"u{n}", "buy", at(0, 2), n / 4) for n in range(0, 40, 2)]
    population = measured(spec, tmp_path, by_day(exposures), by_day(bought))
    found = difference(spec, population, "p", "b", contamination="exclude")
    assert isinstance(found, Unavailable)
    assert found.reason is UnavailableReason.NO_UNITS
    assert found.detail.startswith("treatment")


def test_several_controls_are_cut_at_the_quantile_of_all_of_them(tmp_path: Path) -> None:
    arms = "{a: {weight: 1}, b: {weight: 1}, c: {weight: 1}}\ncontrol: [a, b]"
    spec, chance = experiment(MEDIAN, variants=arms), np.random.default_rng(8)
    exposures = [
        exposure(f"u{unit}", "abc"[unit % 3], at(0, hour), latency_ms=float(latency))
        for unit in range(90)
        for hour, latency in enumerate(chance.lognormal(4, 1, size=4) * (1, 3, 2)[unit % 3])
    ]
    population = measured(spec, tmp_path, answered(exposures), by_day([]))
    found = difference(spec, population, "median", "c", contamination="exclude")
    assert isinstance(found, Estimate)
    sides = {
        side: ([row["user_id"] for row in own], [row["latency_ms"] for row in own])
        for side in ("ab", "c")
        for own in [[row for row in exposures if row["variant"] in side]]
    }
    in_memory = quantile_rows_of(list(sides.values()), 0.5)
    assert not isinstance(in_memory, Unavailable)
    want = difference_in_quantiles(in_memory[0], in_memory[1], 0.5)
    assert isinstance(want, Estimate)
    assert (found.value, found.lower, found.upper) == pytest.approx((want.value, want.lower, want.upper), rel=1e-9)
