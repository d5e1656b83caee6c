from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from abflow.analysis.population import Population
from abflow.spec.calendar import calendar_of
from tests.engine.reference import expected_cohorts, expected_metrics, expected_units
from tests.engine.small_logs import experiment, measured, random_logs, random_metrics, seeded

SEEDS = range(10)


def cohorts_of(population: Population) -> Counter[tuple[object, ...]]:
    return Counter(
        {(cohort.variant, cohort.day, cohort.enrolled, cohort.crossed): cohort.units for cohort in population.cohorts}
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_random_logs_give_what_the_rules_say(seed: int, tmp_path: Path) -> None:
    chance = seeded(seed)
    spec = experiment(random_metrics(chance), enroll_days=chance.randint(1, 5))
    exposures, outcomes = random_logs(chance)
    period = calendar_of(spec).test
    got = measured(spec, tmp_path, exposures, outcomes)
    assert cohorts_of(got) == expected_cohorts(expected_units(spec, period, exposures))
    wanted = expected_metrics(spec, period, exposures, outcomes)
    assert {(m.metric, m.variant, m.contamination) for m in got.measured} == set(wanted)
    for found in got.measured:
        want = wanted[found.metric, found.variant, found.contamination]
        counts = (found.moments.n, found.non_zero, found.immature)
        assert counts == (want.n, want.non_zero, want.immature), found
        numbers = (found.moments.mean, found.moments.m2, found.lowest, found.highest)
        assert numbers == pytest.approx((want.mean, want.m2, want.lowest, want.highest), rel=1e-12, abs=1e-12), found
        assert found.cap == (None if want.cap is None else pytest.approx(want.cap, rel=1e-12))


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
            met["immature"] += want.immature
            met["capped"] += want.cap is not None and want.highest == want.cap
            met["no mature unit"] += want.n == 0
    assert all(count >= 3 for count in met.values()), met
