"""How often the validity checks call a clean experiment invalid, all of them together."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from abflow.analysis.gates import Status
from abflow.analysis.population import Cohort, Population
from abflow.analysis.validity import daily_checks, horizon_checks
from abflow.calibration.decision import BOUGHT, DAYS, EVENTS, FIRST, planned
from abflow.calibration.study import Rate, Study, at_most


def _clean_checks(runs: int, seed: int) -> tuple[Rate, ...]:
    """Every check of the sample ratio and of the assignment, on every day and at the horizon."""
    spec, rng, per_day, mixed = planned(BOUGHT), np.random.default_rng(seed), 1000, 7
    invalid = 0
    for _ in range(runs):
        old = rng.binomial(per_day, 0.5, size=DAYS)
        crossed = int(rng.binomial(mixed, 0.5))
        cohorts = [
            *(_cohort("old", int(n), day) for day, n in enumerate(old)),
            *(_cohort("new", per_day - int(n), day) for day, n in enumerate(old)),
            _cohort("old", crossed, 0, crossed=True),
            _cohort("new", mixed - crossed, 0, crossed=True),
        ]
        cohorts.sort(key=lambda cohort: cohort.day)
        checks = list(horizon_checks(spec, _crowd(cohorts), days=DAYS))
        for day in range(1, DAYS + 1):
            checks += daily_checks(spec, _crowd([c for c in cohorts if (c.day - FIRST).days < day]))
        invalid += any(check.status is Status.FAIL for check in checks)
    return (at_most("a clean split with 0.05 % of units crossed: invalid", invalid, runs, 0.01),)


def _cohort(variant: str, units: int, day: int, *, crossed: bool = False) -> Cohort:
    return Cohort(variant=variant, day=FIRST + timedelta(days=day), enrolled=True, crossed=crossed, units=units)


def _crowd(cohorts: list[Cohort]) -> Population:
    return Population(cohorts=tuple(cohorts), measured=(), events_seen=EVENTS, misassigned=0)


STUDIES = (
    Study(
        name="clean-checks",
        claim="All validity checks together, daily and at the horizon, call a clean experiment invalid at most 1 % of "
        "the time.",
        runs=2_000,
        rates=_clean_checks,
    ),
)
