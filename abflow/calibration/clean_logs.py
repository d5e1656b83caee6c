"""How often the validity checks call an experiment invalid whose logs are clean, from files through the real engine.

`clean_checks` counts on drawn moments and 14 days. Here rows come late, twice and in two variants. A run is a test of
7 days and takes more than a second of a processor. Not among the checks are the served version, which needs a registry,
and those of segments and of the time before the test, which are not asked for here.
"""

from __future__ import annotations

import numpy as np

from abflow.analysis.verdict import Decision
from abflow.calibration.lifetime import Lifetime, live_through
from abflow.calibration.study import Rate, Study, at_most
from abflow.simulate.truth import Truth
from abflow.spec.experiment import ExperimentSpec

# Far more rows go astray than usual; the units that are seen in two variants are 0.05 %.
MISHAPS = Truth(units_per_day=1000.0, late_rate=0.02, duplicate_rate=0.01, crossed_rate=0.0005)


def checked_experiment() -> ExperimentSpec:
    """A test of a week with two controls, which must agree, and nothing before it."""
    return ExperimentSpec.model_validate(
        {
            "experiment": "clean_logs",
            "hypothesis": "nothing is wrong with the logs",
            "owner": "abflow",
            "variants": {"old": {"weight": 1}, "old_again": {"weight": 1}, "new": {"weight": 1}},
            "control": ["old", "old_again"],
            "unit": "user_id",
            "phases": {
                "shadow": {"skip": "nothing to mirror"},
                "aa": {"skip": "only the test's own checks are counted"},
                "test": {"start": "2026-10-01", "days": 7, "why": "every day of many experiments is paid for"},
            },
            "sizing": {"skip": "no decision is asked for"},
            "logs": {"exposures": "logs/exposures", "outcomes": "logs/outcomes"},
            "metrics": {
                "bought": {
                    "role": "primary",
                    "kind": "proportion",
                    "event": "purchase",
                    "mde": {"relative": 0.1},
                },
                "visits": {"role": "guardrail", "kind": "count", "event": "visit", "margin": {"relative": -0.2}},
            },
        }
    )


def _clean_logs(runs: int, seed: int) -> tuple[Rate, ...]:
    spec = checked_experiment()
    seeds = np.random.default_rng(seed).integers(2**62, size=runs)
    lives = [live_through(spec, MISHAPS, seed=int(each)) for each in seeds]
    invalid = sum(life.end is Decision.INVALID for life in lives)
    return (
        at_most("2 % of rows late, 1 % repeated, 0.05 % of units crossed: invalid", invalid, runs, 0.01),
        at_most("the same: units not counted as they were drawn", sum(map(miscounted, lives)), runs, 0.0),
    )


def miscounted(life: Lifetime) -> bool:
    """Whether late and repeated rows moved a unit, or crossed ones were not noticed."""
    found, drawn = life.readout, life.drawn
    if found is None:
        return False  # ended before anybody counted
    return found.units != drawn.enrolled_units or found.crossed != drawn.crossed_units


STUDIES = (
    Study(
        name="clean-logs",
        claim="All validity checks together call an experiment with late, repeated and a few crossed rows invalid at "
        "most 1 % of the time.",
        runs=2_000,
        rates=_clean_logs,
    ),
)
