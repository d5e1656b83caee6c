"""Experiments drawn as a bandit deals them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from abflow.analysis.compare import compare
from abflow.analysis.dealt_by_results import Dealt, dealing_by_results
from abflow.analysis.drawn_population import population_of
from abflow.analysis.drawn_units import planned_effect
from abflow.analysis.inflow import Inflow
from abflow.analysis.looks import Look
from abflow.analysis.population import Slice
from abflow.analysis.readout import Word
from abflow.analysis.unit_records import UnitRecords
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.bandit_simulation import World, play
from abflow.stats.moments import EMPTY, NO_PAIRS
from tests.analysis.experiments import BOUGHT, ERRORS, SPENT, spec_of

RNG = np.random.default_rng(3)
RECORDS = {
    "bought": UnitRecords(numbers=(RNG.random(40_000) < 0.05).astype(float)),
    "spent": UnitRecords(numbers=RNG.gamma(4.0, 5.0, 40_000)),
}
UNITS_A_DAY, DAYS = 2_000, 14


def bandit(metric: dict[str, Any], *, window: int = 0, **changes: Any) -> ExperimentSpec:
    name = "bought" if metric["kind"] == "proportion" else "spent"
    phases = {
        "shadow": {"skip": "nothing to mirror"},
        "aa": {"skip": "its units are given"},
        "test": {"start": "2026-10-01", "enroll_days": DAYS, "days": DAYS + window},
    }
    metrics = {name: metric | {"window_days": window or None}}
    return spec_of(metrics, allocation="thompson", phases=phases, **changes)


def dealt(spec: ExperimentSpec, *, runs: int, per_day: float = UNITS_A_DAY, gain: bool = True) -> list[Dealt]:
    name = spec.primary_name
    effects = {"new": {name: planned_effect(spec.primary, RECORDS[name])}} if gain else {}
    inflow = Inflow(first=(), later=per_day, kept=1.0, source="assumed")
    draw = dealing_by_results(spec, {name: RECORDS[name]}, effects=effects, inflow=inflow)
    rng = np.random.default_rng(1)
    return [draw(rng) for _ in range(runs)]


def units_by_day(one: Dealt, arm: str) -> list[int]:
    return [part.moments.n for part in one.days if part.variant == arm]


@pytest.mark.parametrize("metric", [BOUGHT | {"mde": {"relative": 0.1}}, SPENT | {"mde": {"relative": 0.02}}])
def test_the_days_are_the_units_of_the_arms(metric: dict[str, Any]) -> None:
    spec = bandit(metric)
    (one,) = dealt(spec, runs=1)
    name, places = spec.primary_name, []
    for arm, of in one.arms.items():
        drawn = of[name]
        places.append(drawn.places)
        days = [part for part in one.days if part.variant == arm]
        whole = sum((part.moments for part in days), EMPTY)
        found = population_of(spec, one.arms).of(name, arm, "exclude")
        assert found is not None
        assert (whole.n, whole.mean, whole.m2) == pytest.approx(
            (found.moments.n, found.moments.mean, found.moments.m2), rel=1e-9
        )
        assert (min(p.lowest or 0 for p in days), max(p.highest or 0 for p in days)) == (found.lowest, found.highest)
    every = np.concatenate(places)
    assert every.size == np.unique(every).size == UNITS_A_DAY * DAYS  # everybody is in one arm, once


def test_the_shares_are_those_that_the_bandit_plays_in_a_world_of_the_same_rates() -> None:
    spec = bandit(BOUGHT | {"mde": {"relative": 0.1}})
    rate = float(RECORDS["bought"].numbers.mean()) if RECORDS["bought"].numbers is not None else 0.0
    got = np.mean([units_by_day(one, "new") for one in dealt(spec, runs=150)], axis=0) / UNITS_A_DAY
    world = World(means=[(rate, 1.1 * rate)] * DAYS, units_a_day=UNITS_A_DAY)
    want = play(world, rule="thompson", runs=2_000, seed=2).n[:, :, 1].mean(axis=0) / UNITS_A_DAY
    # A share varies by 0.3 from run to run, so its mean over 150 is known to 0.025.
    assert got == pytest.approx(want, abs=0.09)
    assert got[0] == pytest.approx(0.5, abs=0.01)
    assert got[-1] > 0.7


def test_nobody_learns_from_a_unit_whose_window_is_not_over() -> None:
    spec = bandit(BOUGHT | {"mde": {"relative": 0.5}}, window=5)
    shares = np.mean([units_by_day(one, "new") for one in dealt(spec, runs=20)], axis=0) / UNITS_A_DAY
    # The first day is mature after six, so the seventh is the first that is dealt by what was seen.
    assert shares[:6] == pytest.approx(0.5, abs=0.02)
    assert shares[6] > 0.8


def test_less_is_better_where_the_metric_says_so() -> None:
    metric = BOUGHT | {"direction": "decrease", "mde": {"relative": -0.5}}
    assert np.mean([units_by_day(one, "new")[-1] for one in dealt(bandit(metric), runs=10)]) > 0.9 * UNITS_A_DAY


def test_the_shares_stay_while_an_arm_has_fewer_than_100_units() -> None:
    spec = bandit(BOUGHT | {"mde": {"relative": 1.0}})
    (one,) = dealt(spec, runs=1, per_day=14)
    assert sum(units_by_day(one, "new")) == pytest.approx(7 * DAYS, abs=25)


def test_the_first_day_is_dealt_as_the_file_says() -> None:
    variants = {"old": {"weight": 9}, "new": {"weight": 1}}
    spec = bandit(BOUGHT | {"mde": {"relative": 0.1}}, variants=variants)
    assert units_by_day(dealt(spec, runs=1)[0], "new")[0] == pytest.approx(UNITS_A_DAY / 10, abs=60)


def test_three_arms_share_what_the_leader_leaves() -> None:
    spec = bandit(BOUGHT | {"mde": {"relative": 0.5}}, arms=2)
    (one,) = dealt(spec, runs=1)
    last = {arm: units_by_day(one, arm)[-1] / UNITS_A_DAY for arm in ("old", "new", "newer")}
    assert last["new"] == pytest.approx(0.9, abs=0.03)
    assert (last["old"], last["newer"]) == pytest.approx((0.05, 0.05), abs=0.02)  # the floor


@pytest.mark.parametrize("metric", [BOUGHT | {"mde": {"relative": 0.1}}, SPENT | {"mde": {"relative": 0.02}}])
def test_equal_versions_are_told_apart_as_seldom_as_alpha_says(metric: dict[str, Any]) -> None:
    spec, runs = bandit(metric), 300
    look = Look(day=spec.phases.test.days, final=True, planned=UNITS_A_DAY * DAYS)
    told = 0
    for one in dealt(spec, runs=runs, gain=False):
        population = replace(population_of(spec, one.arms), slices=one.days)
        told += compare(spec, population, contamination="exclude", look=look)[0].word is not Word.UNCLEAR
    assert told / runs == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / runs) ** 0.5)


def test_a_ratio_is_dealt_and_kept_by_its_pairs() -> None:
    seen = 1 + RNG.poisson(3, 20_000)
    records = {
        "clicks": UnitRecords(numbers=np.column_stack([RNG.binomial(seen, 0.2), seen]).astype(float)),
        "errors": UnitRecords(numbers=RNG.integers(0, 2, 20_000).astype(float)),
    }
    clicks = {"kind": "ratio", "numerator": "purchase", "denominator": "visit", "role": "primary"}
    metrics = {"clicks": clicks | {"mde": {"relative": 0.3}, "why": "the page is what changes"}, "errors": ERRORS}
    spec = bandit(BOUGHT).model_copy(update={"metrics": spec_of(metrics).metrics})
    effects = {"new": {"clicks": planned_effect(spec.primary, records["clicks"])}}
    inflow = Inflow(first=(500.0,), later=1_000.0, kept=1.0, source="assumed")
    one = dealing_by_results(spec, records, effects=effects, inflow=inflow)(np.random.default_rng(2))
    of_new: list[Slice] = [part for part in one.days if (part.variant, part.metric) == ("new", "clicks")]
    whole = sum((part.pair for part in of_new if part.pair), NO_PAIRS)
    found = population_of(spec, one.arms).of("clicks", "new", "exclude")
    assert found is not None
    assert found.pair is not None
    assert (whole.n, whole.mean_x, whole.mean_y) == pytest.approx((found.pair.n, found.pair.mean_x, found.pair.mean_y))
    assert one.share("new") > 0.6
    assert all(len(of["errors"].places) == len(of["clicks"].places) for of in one.arms.values())


def test_every_metric_has_its_own_mature_units_at_the_cut_off() -> None:
    phases = {
        "shadow": {"skip": "nothing to mirror"},
        "aa": {"skip": "its units are given"},
        "test": {"start": "2026-10-01", "enroll_days": 14, "days": 14, "immature": "allowed"},
    }
    metrics = {
        "bought": BOUGHT | {"mde": {"relative": 0.1}, "window_days": 4},
        "spent": SPENT | {"role": "guardrail", "margin": {"relative": -0.1}, "window_days": None},
    }
    spec = spec_of(metrics, allocation="thompson", phases=phases)
    inflow = Inflow(first=(), later=100.0, kept=1.0, source="assumed")
    one = dealing_by_results(spec, RECORDS, effects={}, inflow=inflow)(np.random.default_rng(1))
    counted = {name: sum(len(of[name].places) for of in one.arms.values()) for name in metrics}
    assert counted == {"bought": 1000, "spent": 1400}
    for name, units in counted.items():
        assert sum(part.moments.n for part in one.days if part.metric == name) == units
    assert one.share("old") + one.share("new") == pytest.approx(1.0)
