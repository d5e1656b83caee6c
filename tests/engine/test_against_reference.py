from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from abflow.analysis.population import ENTRY_DAY, Population
from abflow.engine.measuring import measure, unit_values
from abflow.spec.calendar import calendar_of
from abflow.spec.metrics import RatioMetric
from abflow.stats.moments import EMPTY, NO_PAIRS, Moments, moments_of
from tests.engine.reference import (
    events_in,
    expected_cohorts,
    expected_metrics,
    expected_units,
    passes,
    with_aa,
)
from tests.engine.small_logs import (
    Days,
    build,
    experiment,
    measured,
    partitions_of,
    random_aa,
    random_logs,
    random_metrics,
    recorded,
    seeded,
)

SEEDS = range(10)


def cohorts_of(population: Population) -> Counter[tuple[object, ...]]:
    return Counter(
        {(cohort.variant, cohort.day, cohort.enrolled, cohort.crossed): cohort.units for cohort in population.cohorts}
    )


@pytest.mark.parametrize("after_aa", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_logs_give_what_the_rules_say(seed: int, after_aa: bool, tmp_path: Path) -> None:
    chance = seeded(seed)
    spec = experiment(random_metrics(chance), enroll_days=chance.randint(1, 5))
    exposures, outcomes = random_logs(chance)
    before: tuple[Days, Days] = random_aa(seeded(seed + 100)) if after_aa else ({}, {})
    period = calendar_of(spec).test
    aa = partitions_of(tmp_path / "aa", build(spec, tmp_path / "aa", *before))
    partitions = partitions_of(tmp_path, build(spec, tmp_path, exposures, outcomes))
    got = measure(spec, recorded(spec, tmp_path, partitions, aa=aa))
    assert cohorts_of(got) == expected_cohorts(expected_units(spec, period, exposures))
    wanted = expected_metrics(spec, period, exposures, with_aa(outcomes, before[1]))
    assert {(m.metric, m.variant, m.contamination) for m in got.measured} == set(wanted)
    for found in got.measured:
        want = wanted[found.metric, found.variant, found.contamination]
        counts = (found.moments.n, found.non_zero, found.immature)
        assert counts == (want.n, want.non_zero, want.immature), found
        numbers = (found.moments.mean, found.moments.m2, found.lowest, found.highest)
        # A ratio's units cancel in part before they are squared.
        exact = 1e-12 if want.pair is None else 1e-9
        assert numbers == pytest.approx((want.mean, want.m2, want.lowest, want.highest), rel=exact, abs=exact), found
        if found.pair is not None and want.pair is not None:
            got_pair = (found.pair.mean_x, found.pair.mean_y, found.pair.m2_x, found.pair.m2_y, found.pair.cross)
            assert got_pair == pytest.approx(want.pair, rel=1e-12, abs=1e-12), found
        assert found.cap == (None if want.cap is None else pytest.approx(want.cap, rel=1e-12))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_days_of_entry_add_up_to_the_whole(seed: int, tmp_path: Path) -> None:
    chance = seeded(seed)
    spec = experiment(random_metrics(chance), enroll_days=chance.randint(1, 5))
    got = measured(spec, tmp_path, *random_logs(chance))
    for whole in got.measured:
        parts = [
            part for part in got.sliced(whole.metric, ENTRY_DAY, whole.contamination) if part.variant == whole.variant
        ]
        assert sum(part.non_zero for part in parts) == whole.non_zero
        if whole.pair is None:
            ends = [(part.lowest, part.highest) for part in parts if part.lowest is not None]
            lowest, highest = zip(*ends, strict=True) if ends else ((0.0,), (0.0,))
            assert (min(lowest), max(highest)) == (whole.lowest, whole.highest)
            assert close(sum((part.moments for part in parts), EMPTY), whole.moments)
        else:
            assert close(sum((part.pair for part in parts if part.pair), NO_PAIRS).x, whole.pair.x)


def close(left: Moments, right: Moments) -> bool:
    return left.n == right.n and (left.mean, left.m2) == pytest.approx((right.mean, right.m2), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_units_one_by_one_have_the_moments_of_the_whole(seed: int, tmp_path: Path) -> None:
    chance = seeded(seed)
    spec = experiment(random_metrics(chance), enroll_days=chance.randint(1, 5))
    built = build(spec, tmp_path, *random_logs(chance))
    record = recorded(spec, tmp_path, partitions_of(tmp_path, built))
    for whole in measure(spec, record).measured:
        units = unit_values(spec, record, whole.metric, whole.contamination)[whole.variant]
        if whole.pair is not None:
            assert units.shape == (whole.moments.n, 2)
            units = units[:, 0]
        assert close(moments_of(units), whole.pair.x if whole.pair else whole.moments)


def test_the_random_logs_meet_every_awkward_case() -> None:
    """Without this the comparison above could pass because nothing happens in its logs."""
    met: Counter[str] = Counter()
    for seed in SEEDS:
        chance = seeded(seed)
        spec = experiment(random_metrics(chance), enroll_days=chance.randint(1, 5))
        exposures, outcomes = random_logs(chance)
        period = calendar_of(spec).test
        units = expected_units(spec, period, exposures)
        met["too late"] += sum(not unit.enrolled for unit in units.values())
        met["crossed"] += sum(unit.crossed for unit in units.values())
        rows = [row for day in outcomes.values() for row in day]
        entered = {name: unit.entered for name, unit in units.items()}
        met["at first exposure"] += sum(row["timestamp"] == entered.get(row["user_id"]) for row in rows)
        met["late row"] += sum(row["timestamp"].date() < day for day, filed in outcomes.items() for row in filed)
        ids = Counter(row["event_id"] for row in rows if row["event_id"])
        met["repeated"] += sum(count > 1 for count in ids.values())
        for want in expected_metrics(spec, period, exposures, outcomes).values():
            met["ratio"] += want.pair is not None
            met["immature"] += want.immature
            met["capped"] += want.cap is not None and want.highest == want.cap
            met["no mature unit"] += want.n == 0
        for metric in spec.metrics.values():
            where = {} if isinstance(metric, RatioMetric) else metric.where
            passing = {passes(row, where) for row in rows} if where else set()
            met["some rows pass a filter and some do not"] += passing == {True, False}
            if where and not isinstance(metric, RatioMetric):
                kept = len(events_in(outcomes, metric.event, where, None))
                passed = {day: [row for row in filed if passes(row, where)] for day, filed in outcomes.items()}
                met["an earlier row does not pass"] += kept < len(events_in(passed, metric.event, {}, None))
        aa = random_aa(seeded(seed + 100))[1]
        once = expected_metrics(spec, period, exposures, with_aa(outcomes, aa))
        again = expected_metrics(spec, period, exposures, outcomes)
        met["an event counted in the A/A phase"] += any(once[cell].mean != again[cell].mean for cell in once)
    assert all(count >= 3 for count in met.values()), met
