"""How often the whole decision promotes when it may fall before the cut-off, from the gate's units to the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from abflow.analysis.compare import compare
from abflow.analysis.looks import Look, PastLook, left_behind
from abflow.analysis.played_course import verdict_on
from abflow.analysis.verdict import Decision
from abflow.calibration.decision import (
    BOUGHT,
    DAYS,
    SPENT,
    drawn_arms,
    planned,
    population_of,
    units_per_arm,
)
from abflow.calibration.study import Rate, Study, at_least, at_most
from abflow.spec.experiment import ExperimentSpec

WINDOW_DAYS = 1
LOOKS = (4, 7, 10, 13)  # days; the cut-off is the fifth


def decisions_at_looks(spec: ExperimentSpec, *, effect: float, runs: int, seed: int) -> Counter[Decision]:
    """How often each decision falls, at whichever look it falls."""
    rng, units = np.random.default_rng(seed), units_per_arm(spec)
    return Counter(_first_decision(rng, spec, units, effect) for _ in range(runs))


def _first_decision(rng: np.random.Generator, spec: ExperimentSpec, units: int, effect: float) -> Decision:
    cut_off = spec.phases.test.days
    past: tuple[PastLook, ...] = ()
    arms, mature = None, 0
    for day in (*LOOKS, cut_off):
        now = round(units * (day - WINDOW_DAYS) / DAYS)
        batch = drawn_arms(rng, spec, now - mature, effect)
        arms = batch if arms is None else {key: arms[key] + moments for key, moments in batch.items()}
        mature = now
        look = Look(day=day, final=day == cut_off, planned=2.0 * units, past=past)
        comparisons = compare(spec, population_of(spec, arms), contamination="exclude", look=look)
        decision = verdict_on(spec, comparisons, day=day, final=look.final).decision
        if decision is not Decision.NONE_YET:
            return decision
        past = (*past, left_behind(look, comparisons))
    raise TypeError("the cut-off decides")  # a bug: the last look is final


def _promises(primary: dict[str, Any], mde: float, **analysis: Any) -> Callable[[int, int], tuple[Rate, ...]]:
    def rates(runs: int, seed: int) -> tuple[Rate, ...]:
        alone, guarded = (
            planned(primary, guardrails=guardrails, window_days=WINDOW_DAYS, **analysis) for guardrails in (0, 1)
        )
        promoted = [
            decisions_at_looks(spec, effect=effect, runs=runs, seed=seed + place)[Decision.PROMOTE]
            for place, (spec, effect) in enumerate(((alone, 0.0), (alone, mde), (alone, -mde), (guarded, mde)))
        ]
        return (
            at_most("no effect: promoted", promoted[0], runs, 0.025),
            at_least("effect of the mde: promoted", promoted[1], runs, 0.80),
            at_most("effect of -mde: promoted", promoted[2], runs, 0.0005),
            at_least("effect of the mde, one guardrail: promoted", promoted[3], runs, 0.80),
        )

    return rates


def _study(method: str, primary: dict[str, Any], mde: float, **analysis: Any) -> Study:
    return Study(
        name=f"decision-{method.replace('_', '-')}",
        claim=f"{method}, sized by the gate and read five times, promotes an equal version at most 2.5 % of the time "
        "and one with the mde at least 80 %.",
        runs=1_000,
        rates=_promises(primary, mde, method=method, **analysis),
    )


STUDIES = (
    _study("group_sequential", BOUGHT, 0.02, looks=list(LOOKS)),
    _study("always_valid", BOUGHT, 0.02),
    _study("sprt", BOUGHT, 0.02),
    # A mean: its posterior is normal, while that of two rates takes an integral at every look.
    _study("bayesian", SPENT, 1.0, looks=list(LOOKS)),
)
