"""How fast moments become comparisons: 50 metrics, 20 levels of a segment, 3 arms, beside tea-tasting on the same sums.

Run it with `python benchmarks/comparisons.py`. Both start from aggregates in memory and give, for every metric,
level and treatment, the difference with its interval and p-value and the lift with its interval. abflow also tests
whether the levels differ and corrects over them. The two take turns, and the table shows medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from tea_tasting.aggr import Aggregates
from tea_tasting.metrics import Mean

from abflow.analysis.population import Population, Slice
from abflow.analysis.segments import by_segment
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import Moments
from abflow.stats.result import Estimate

METRICS, LEVELS, TURNS = 50, 20, 5
ARMS = ("control", "first", "second")
NAMES = [f"metric_{n}" for n in range(METRICS)]


def main() -> None:
    """Print seconds of both, their ratio, and how far apart their answers are."""
    moments = _drawn()
    spec, population = _spec(), _population(moments)
    aggregates = _aggregates(moments)
    ours, theirs = partial(_abflow, spec, population), partial(_tea_tasting, aggregates)
    mine, yours = ours(), theirs()
    apart = max(abs(mine[key] - yours[key]) for key in mine)
    seconds: dict[str, list[float]] = {"abflow": [], "tea-tasting": []}
    for _ in range(TURNS):
        seconds["abflow"].append(_timed(ours))
        seconds["tea-tasting"].append(_timed(theirs))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    comparisons = METRICS * LEVELS * (len(ARMS) - 1)
    lines = [f"{name:>12}: {median:7.3f} s for {comparisons} comparisons" for name, median in medians.items()]
    lines.append(f"{'ratio':>12}: {medians['tea-tasting'] / medians['abflow']:7.1f}")
    lines.append(f"{'apart':>12}: {apart:7.1e}, the largest difference between their p-values")
    print("\n".join(lines))  # noqa: T201  a benchmark talks to whoever runs it


Key = tuple[str, str, str]  # metric, level, arm


def _drawn() -> dict[Key, Moments]:
    rng = np.random.default_rng(1)
    return {
        (name, f"level_{level}", arm): Moments(
            n=int(rng.integers(500, 5000)), mean=float(rng.normal(10, 0.1)), m2=float(rng.uniform(1000, 9000))
        )
        for name in NAMES
        for level in range(LEVELS)
        for arm in ARMS
    }


def _spec() -> ExperimentSpec:
    metric = {"kind": "mean", "event": "purchase", "value": "value"}
    return ExperimentSpec.model_validate(
        {
            "experiment": "benchmark",
            "hypothesis": "comparing is no bottleneck",
            "owner": "abflow",
            "variants": {arm: {"weight": 1} for arm in ARMS},
            "unit": "user_id",
            "phases": {
                "shadow": {"skip": "nothing to mirror"},
                "aa": {"start": "2026-10-01", "days": 7},
                "test": {"days": 14},
            },
            "logs": {"exposures": "exposures", "outcomes": "outcomes"},
            "metrics": {
                name: metric | ({"role": "secondary"} if n else {"role": "primary", "mde": {"relative": 0.02}})
                for n, name in enumerate(NAMES)
            },
            "segments": ["segment"],
        }
    )


def _population(moments: dict[Key, Moments]) -> Population:
    slices = tuple(
        Slice(
            metric=name,
            variant=arm,
            contamination="exclude",
            by="segment",
            level=level,
            moments=found,
            non_zero=found.n,
        )
        for (name, level, arm), found in moments.items()
    )
    return Population(cohorts=(), measured=(), events_seen=("purchase",), misassigned=None, slices=slices)


def _abflow(spec: ExperimentSpec, population: Population) -> dict[Key, float]:
    return {
        (found.metric, level.level, found.arm): level.effect.p_value
        for found in by_segment(spec, population)
        for level in found.levels
        if isinstance(level.effect, Estimate) and isinstance(level.relative, Estimate)
    }


def _aggregates(moments: dict[Key, Moments]) -> dict[tuple[str, str], Aggregates]:
    found = {}
    for level in range(LEVELS):
        for arm in ARMS:
            of = {name: moments[name, f"level_{level}", arm] for name in NAMES}
            # One count per arm and level is all that tea-tasting keeps, so every metric gets its own aggregates.
            for name, each in of.items():
                found[name, f"level_{level}/{arm}"] = Aggregates(
                    count_=each.n, mean_={name: each.mean}, var_={name: each.variance}, cov_={}
                )
    return found


def _tea_tasting(aggregates: dict[tuple[str, str], Aggregates]) -> dict[Key, float]:
    p_values = {}
    for name in NAMES:
        metric = Mean(name)
        for level in range(LEVELS):
            control = aggregates[name, f"level_{level}/control"]
            for arm in ARMS[1:]:
                found = metric.analyze_aggregates(control, aggregates[name, f"level_{level}/{arm}"])
                p_values[name, f"level_{level}", arm] = float(found.pvalue)
    return p_values


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
