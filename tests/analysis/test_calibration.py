"""How often the whole decision promotes, keeps and stays undecided, against what its rules promise.

Moments are drawn without drawing the units: binomial for a rate, and for a mean a normal mean with a scaled
chi-square. A rate from N runs must lie within p ± 3.29 · sqrt(p (1 - p) / N), which a right engine misses once in a
thousand; "at most" and "at least" use one side.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from abflow.analysis.compare import compare
from abflow.analysis.gates import Status
from abflow.analysis.population import Measured, Population
from abflow.analysis.readout import Readout
from abflow.analysis.sizing import size_test
from abflow.analysis.validity import daily_checks, horizon_checks
from abflow.analysis.verdict import Decision, decide
from abflow.spec.calendar import Period, Phase
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import ProportionMetric
from abflow.stats.moments import Moments
from tests.analysis.experiments import BOUGHT, ERRORS, FIRST, SPENT, arms_of, cohort, measured, population_of, spec_of

pytestmark = pytest.mark.slow

RUNS = 1000
RATE, ERROR_RATE, MEAN, SD = 0.10, 0.01, 20.0, 50.0
SPEND = SPENT | {"mde": {"absolute": 1.0}}
GUARDRAILS: dict[str, Any] = {
    "errors": ERRORS | {"margin": {"absolute": 0.002}},
    "visits": {"role": "guardrail", "kind": "count", "event": "visit", "margin": {"relative": -0.05}},
}


def band(p: float, runs: int = RUNS) -> float:
    return 3.29 * math.sqrt(p * (1 - p) / runs)


def planned(primary: dict[str, Any], *, guardrails: bool, preset: str = "clear_signals") -> ExperimentSpec:
    metrics = {"gain": primary} | (GUARDRAILS if guardrails else {})
    return spec_of(metrics, analysis={"preset": preset})


def baseline_of(spec: ExperimentSpec, metric: str) -> float:
    if isinstance(spec.metrics[metric], ProportionMetric):
        return ERROR_RATE if metric == "errors" else RATE
    return MEAN


def needed_per_arm(spec: ExperimentSpec) -> int:
    """What the sample-size gate asks for, after an A/A phase that measured the truth."""
    found: list[Measured] = []
    for name, metric in spec.metrics.items():
        mean, n = baseline_of(spec, name), 1_000_000
        variance = mean * (1 - mean) if isinstance(metric, ProportionMetric) else SD * SD
        found += arms_of(name, *[Moments(n=n, mean=mean, m2=variance * n)] * 2)
    aa = population_of(*found, cohorts=(cohort("old", 1000), cohort("new", 1000)))
    needed = size_test(spec, aa, Period(Phase.AA, FIRST, 7, 7), days=14).needed
    assert needed is not None
    return math.ceil(needed / 2)


def drawn(rng: np.random.Generator, spec: ExperimentSpec, metric: str, variant: str, n: int, mean: float) -> Measured:
    if isinstance(spec.metrics[metric], ProportionMetric):
        share = int(rng.binomial(n, mean)) / n
        return measured(metric, variant, Moments(n=n, mean=share, m2=n * share * (1 - share)))
    moments = Moments(n=n, mean=float(rng.normal(mean, SD / math.sqrt(n))), m2=SD**2 * float(rng.chisquare(n - 1)))
    reach = SD * math.sqrt(2 * math.log(n))  # about where the outermost of n normal units lies
    return measured(metric, variant, moments, lowest=moments.mean - reach, highest=moments.mean + reach)


def decided(spec: ExperimentSpec, population: Population) -> Decision:
    comparisons = compare(spec, population, contamination="exclude")
    readout = Readout(
        experiment=spec.experiment,
        spec_sha256="1f",
        inputs="2e",
        cut_off=date(2026, 10, 22),
        units={},
        too_late=0,
        crossed=0,
        contamination="exclude",
        checks=(),
        comparisons=comparisons,
        beside=tuple(replace(c, contamination="keep_first") for c in comparisons),
    )
    versions = dict.fromkeys(spec.variants)
    return decide(spec, readout, readout_sha256="3d", versions=versions, champion_moved=None).decision


def shares(spec: ExperimentSpec, effect: float, *, seed: int) -> dict[Decision, float]:
    """How often each decision falls when the primary has this effect and the guardrails have none."""
    rng, n = np.random.default_rng(seed), needed_per_arm(spec)
    decisions: Counter[Decision] = Counter()
    for _ in range(RUNS):
        found = [
            drawn(rng, spec, name, variant, n, baseline_of(spec, name) + moved)
            for name in spec.metrics
            for variant, moved in (("old", 0.0), ("new", effect if name == spec.primary_name else 0.0))
        ]
        decisions[decided(spec, population_of(*found))] += 1
    return {decision: decisions[decision] / RUNS for decision in Decision}


@pytest.mark.parametrize(("primary", "mde"), [(BOUGHT, 0.02), (SPEND, 1.0)], ids=["rate", "mean"])
def test_clear_signals_without_guardrails_keeps_its_promises(primary: dict[str, Any], mde: float) -> None:
    spec = planned(primary, guardrails=False)
    nothing = shares(spec, 0.0, seed=1)
    assert nothing[Decision.PROMOTE] == pytest.approx(0.025, abs=band(0.025))
    assert nothing[Decision.KEEP] == pytest.approx(0.80, abs=band(0.80))
    assert nothing[Decision.UNDECIDED] == pytest.approx(0.175, abs=band(0.175))
    planned_gain = shares(spec, mde, seed=2)
    assert planned_gain[Decision.PROMOTE] == pytest.approx(0.80, abs=band(0.80))
    assert planned_gain[Decision.KEEP] == pytest.approx(0.025, abs=band(0.025))
    loss = shares(spec, -mde, seed=3)
    assert loss[Decision.PROMOTE] <= 0.0005 + band(0.0005)
    assert loss[Decision.KEEP] >= 0.99


def test_clear_signals_with_two_guardrails_keeps_its_power_and_gains_caution() -> None:
    spec = planned(BOUGHT, guardrails=True)
    assert shares(spec, 0.0, seed=4)[Decision.PROMOTE] <= 0.025 + band(0.025)
    assert shares(spec, 0.02, seed=5)[Decision.PROMOTE] >= 0.80 - band(0.80)
    assert shares(spec, -0.02, seed=6)[Decision.PROMOTE] <= 0.0005 + band(0.0005)


@pytest.mark.parametrize("guardrails", [False, True], ids=["alone", "guarded"])
def test_do_no_harm_rarely_lets_a_loss_of_the_margin_pass_and_mostly_lets_an_equal_version_pass(
    guardrails: bool,
) -> None:
    spec = planned(BOUGHT | {"margin": {"absolute": -0.01}}, guardrails=guardrails, preset="do_no_harm")
    assert shares(spec, -0.01, seed=7)[Decision.PROMOTE] <= 0.05 + band(0.05)
    assert shares(spec, 0.0, seed=8)[Decision.PROMOTE] >= 0.80 - band(0.80)


def test_do_no_harm_where_less_is_better_guards_the_other_side() -> None:
    primary = BOUGHT | {"direction": "decrease", "mde": {"absolute": -0.02}, "margin": {"absolute": 0.01}}
    spec = planned(primary, guardrails=False, preset="do_no_harm")
    assert shares(spec, 0.01, seed=9)[Decision.PROMOTE] <= 0.05 + band(0.05)
    assert shares(spec, 0.0, seed=10)[Decision.PROMOTE] >= 0.80 - band(0.80)


def test_clean_assignment_is_called_invalid_at_most_once_in_a_hundred() -> None:
    """Every check of the sample ratio and of the assignment, on every day and at the horizon."""
    runs, days, per_day = 400, 14, 1000
    rng, spec, invalid = np.random.default_rng(11), spec_of(), 0
    for _ in range(runs):
        clean = rng.binomial(per_day, 0.5, size=days)
        mixed = rng.binomial(7, 0.5)  # seven of 14 007 units crossed: .05 %
        cohorts = [cohort("old", int(n), day=d) for d, n in enumerate(clean, start=1)]
        cohorts += [cohort("new", per_day - int(n), day=d) for d, n in enumerate(clean, start=1)]
        cohorts += [cohort("old", int(mixed), crossed=True), cohort("new", 7 - int(mixed), crossed=True)]
        cohorts.sort(key=lambda each: each.day)
        checks = list(horizon_checks(spec, population_of(cohorts=tuple(cohorts), misassigned=0), days=days))
        for day in range(1, days + 1):
            so_far = tuple(each for each in cohorts if (each.day - FIRST).days < day)
            checks += daily_checks(spec, population_of(cohorts=so_far, misassigned=0))
        invalid += any(check.status is Status.FAIL for check in checks)
    assert invalid / runs <= 0.01 + band(0.01, runs)
