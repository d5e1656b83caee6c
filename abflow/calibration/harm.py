"""How often a test is stopped for harm, looked for on every day: rarely when there is none, soon when there is."""

from __future__ import annotations

import numpy as np

from abflow.analysis.harm import find_harm
from abflow.calibration.decision import BOUGHT, drawn_arms, planned, population_of, units_per_arm
from abflow.calibration.study import Rate, Study, at_least, at_most
from abflow.spec.experiment import ExperimentSpec

DAYS = 21
MDE = 0.02


def stopped(spec: ExperimentSpec, *, effect: float, runs: int, seed: int) -> int:
    """Tests that were stopped on one of their days before the cut-off."""
    rng, units = np.random.default_rng(seed), units_per_arm(spec)
    return sum(_is_stopped(rng, spec, units, effect) for _ in range(runs))


def _is_stopped(rng: np.random.Generator, spec: ExperimentSpec, units: int, effect: float) -> bool:
    arms, so_far = None, 0
    for day in range(1, DAYS):
        now = round(units * day / DAYS)
        batch = drawn_arms(rng, spec, now - so_far, effect)
        arms = batch if arms is None else {key: arms[key] + moments for key, moments in batch.items()}
        so_far = now
        if find_harm(spec, population_of(spec, arms), day=day, planned=2.0 * units):
            return True
    return False


def _rates(runs: int, seed: int) -> tuple[Rate, ...]:
    spec = planned(BOUGHT, guardrails=2)
    equal = stopped(spec, effect=0.0, runs=runs, seed=seed)
    worse = stopped(spec, effect=-2 * MDE, runs=runs, seed=seed + 1)
    return (
        at_most("three metrics, equal versions: stopped on a day before the cut-off", equal, runs, 0.05),
        at_least("a loss of twice the mde: stopped on a day before the cut-off", worse, runs, 0.90),
    )


STUDIES = (
    Study(
        name="harm",
        claim="A loss of twice the mde is stopped nine times in ten, and equal versions at most once in twenty.",
        runs=5_000,
        rates=_rates,
    ),
)
