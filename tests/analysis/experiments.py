"""Small experiments, and populations put together by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from abflow.analysis.population import Cohort, Contamination, Measured, Population
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import Moments, moments_of

FIRST = date(2026, 10, 1)
BOUGHT: dict[str, Any] = {
    "role": "primary",
    "kind": "proportion",
    "event": "purchase",
    "mde": {"absolute": 0.02},
}
SPENT: dict[str, Any] = {
    "role": "primary",
    "kind": "mean",
    "event": "purchase",
    "value": "value",
    "mde": {"absolute": 2.0},
}
ERRORS: dict[str, Any] = {
    "role": "guardrail",
    "kind": "proportion",
    "event": "error",
    "direction": "decrease",
    "margin": {"absolute": 0.005},
}


def spec_of(metrics: dict[str, Any] | None = None, *, arms: int = 1, **changes: Any) -> ExperimentSpec:
    """One treatment is named `new`; of several the first is `new`, the next `newer`, then `newest`."""
    names = ["old", "new", "newer", "newest"][: arms + 1]
    described: dict[str, Any] = {
        "experiment": "shop_v2",
        "hypothesis": "the new ranking sells to more of the visitors",
        "owner": "shop-ml",
        "variants": {name: {"weight": 1} for name in names},
        "unit": "user_id",
        "phases": {
            "shadow": {"skip": "nothing to mirror"},
            "aa": {"start": FIRST, "days": 7},
            "test": {"enroll_days": 14, "days": 14},
        },
        "logs": {"exposures": "logs/exposures", "outcomes": "logs/outcomes"},
        "metrics": metrics or {"bought": BOUGHT},
    }
    return ExperimentSpec.model_validate(described | changes)


def rate(successes: int, units: int) -> Moments:
    """Moments of ones and zeros."""
    share = successes / units
    return Moments(n=units, mean=share, m2=units * share * (1 - share))


def summed(units: int, total: float, squares: float) -> Moments:
    """Moments from a published sum and sum of squares."""
    return Moments(n=units, mean=total / units, m2=squares - total * total / units)


def measured(metric: str, variant: str, moments: Moments, **changes: Any) -> Measured:
    """A metric without a heavy unit: the outermost units are one standard deviation away."""
    sd = math.sqrt(moments.variance) if moments.n > 1 else 0.0
    found = Measured(
        metric=metric,
        variant=variant,
        contamination="exclude",
        moments=moments,
        lowest=moments.mean - sd,
        highest=moments.mean + sd,
        non_zero=round(moments.n * moments.mean) if 0 <= moments.mean <= 1 else moments.n,
        immature=0,
        cap=None,
        cap_removes_all=False,
    )
    return replace(found, **changes)


def counted(metric: str, variant: str, values: Sequence[float]) -> Measured:
    """A metric of units that are listed one by one."""
    return measured(
        metric,
        variant,
        moments_of(values),
        lowest=min(values),
        highest=max(values),
        non_zero=sum(value != 0 for value in values),
    )


def population_of(*found: Measured, **changes: Any) -> Population:
    """The events of all metrics of this file are in the log."""
    made = Population(cohorts=(), measured=found, events_seen=("error", "purchase", "visit"), misassigned=None)
    return replace(made, **changes)


def arms_of(metric: str, *moments: Moments, contamination: Contamination = "exclude") -> tuple[Measured, ...]:
    """One metric in control and treatments, in the order of the file."""
    names = ("old", "new", "newer", "newest")
    return tuple(measured(metric, n, m, contamination=contamination) for n, m in zip(names, moments, strict=False))


def cohort(variant: str, units: int, *, day: int = 1, enrolled: bool = True, crossed: bool = False) -> Cohort:
    return Cohort(variant=variant, day=FIRST + timedelta(days=day - 1), enrolled=enrolled, crossed=crossed, units=units)


def crowd(*units: int, crossed: tuple[int, ...] = (), days: int = 1) -> Population:
    """Units of control and treatments, the same number on every day; the crossed ones come on top."""
    names = ("old", "new", "newer", "newest")
    clean = [cohort(name, n, day=d) for d in range(1, days + 1) for name, n in zip(names, units, strict=False)]
    mixed = [cohort(name, n, crossed=True) for name, n in zip(names, crossed, strict=False)]
    return population_of(cohorts=(*clean, *mixed))
