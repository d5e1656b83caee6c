"""How fast resampling is, beside what one would write without abflow, in the same process.

Run it with `python benchmarks/resampling.py [repetitions]`. Each repetition times abflow and its peer right after
one another, so that a busy machine slows both; what counts is the median of their ratios.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from abflow.stats.bootstrap import bootstrap_interval
from abflow.stats.permutation import permutation_test
from abflow.stats.rank_test import rank_test
from abflow.stats.rerandomisation import rerandomised_p_values

UNITS, DRAWS = 200_000, 1_000  # units per arm
# Draws that scipy holds at a time: it is fastest with few, and needs several GB with its default, all of them.
BATCH = 10

Floats = NDArray[np.float64]
Job = Callable[[], Any]


def main(repetitions: int = 3) -> None:
    """Print median seconds of both, and the median of their ratios."""
    rng = np.random.default_rng(1)
    control, treatment = rng.lognormal(size=UNITS), rng.lognormal(size=UNITS)
    both = np.concatenate((control, treatment))
    jobs: tuple[tuple[str, Job, str, Job], ...] = (
        (
            "bootstrap, percentile",
            lambda: bootstrap_interval(control, treatment, interval="percentile", draws=DRAWS, seed=1),
            "scipy.stats.bootstrap",
            lambda: _scipy_bootstrap(control, treatment),
        ),
        (
            "re-randomised A/A",
            lambda: rerandomised_p_values("mean", both, (1, 1), draws=DRAWS, seed=1),
            "rng.permutation in a loop",
            lambda: _shuffled(both),
        ),
        (
            "permutation test",
            lambda: permutation_test(control, treatment, draws=DRAWS, seed=1),
            "rng.permutation in a loop",
            lambda: _shuffled(both),
        ),
        (
            "rank test and interval",
            lambda: rank_test(control, treatment),
            "scipy.stats.mannwhitneyu",
            lambda: stats.mannwhitneyu(treatment, control),
        ),
    )
    lines = [f"2 x {UNITS:,} units, {DRAWS:,} draws, {repetitions} repetitions"]
    for name, job, peers_name, peers_job in jobs:
        times = [(_seconds(job), _seconds(peers_job)) for _ in range(repetitions)]
        ours, peers = (statistics.median(side) for side in zip(*times, strict=True))
        ratio = statistics.median(peer / own for own, peer in times)
        lines.append(f"{name:>24}: {ours:7.2f} s   {peers_name:>26}: {peers:7.2f} s   ratio {ratio:6.1f}")
    print("\n".join(lines))  # noqa: T201  a benchmark talks to whoever runs it


def _seconds(job: Job) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def _scipy_bootstrap(control: Floats, treatment: Floats) -> Any:
    def difference(left: Floats, right: Floats, axis: int = -1) -> Floats:
        return np.asarray(right.mean(axis=axis) - left.mean(axis=axis))

    return stats.bootstrap(
        (control, treatment),
        difference,
        n_resamples=DRAWS,
        batch=BATCH,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(1),
    )


def _shuffled(values: Floats) -> list[float]:
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(DRAWS):
        shuffled = rng.permutation(values)
        left, right = shuffled[:UNITS], shuffled[UNITS:]
        se = math.sqrt((left.var(ddof=1) + right.var(ddof=1)) / UNITS)
        p_values.append(math.erfc(abs(right.mean() - left.mean()) / se / math.sqrt(2)))
    return p_values


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
