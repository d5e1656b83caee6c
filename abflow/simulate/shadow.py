"""One day of mirrored requests: production answers the user, the new version answers the log."""

from __future__ import annotations

from datetime import date
from statistics import NormalDist

import numpy as np

from abflow.simulate.clock import busy_times, day_factor, stream
from abflow.simulate.population import mixed_keys
from abflow.simulate.rows import Rows, by_time
from abflow.simulate.truth import Truth

SCORE_MEAN = 0.5
SCORE_SD = 0.15


def draw_shadow(truth: Truth, day: date, *, seed: int) -> Rows:
    """The mirrored requests of a day, with numeric scores as predictions.

    Both versions' scores have the same distribution (apart from `shadow_drift`), however much they agree.
    """
    rng = stream(seed, day, "shadow")
    n = int(rng.poisson(truth.shadow_requests_per_day * day_factor(truth, day)))
    rho = correlation(truth.shadow_agreement)
    production = rng.standard_normal(n)
    own = rng.standard_normal(n)
    shadow = rho * production + np.sqrt(1 - rho**2) * own + truth.shadow_drift
    median, sigma = truth.latency_ms.median, np.hypot(truth.latency_ms.sigma, truth.latency_ms.unit_sigma)
    shared = rng.standard_normal(n)
    slow_here, slow_there = ((shared + rng.standard_normal(n)) / np.sqrt(2) for _ in range(2))
    failed = rng.random(n) < truth.shadow_error_rate
    rows: Rows = {
        "moment": busy_times(rng, n, day),
        "unit": mixed_keys(seed, rng.integers(0, 1 << 24, n, dtype=np.uint64)),
        "production": np.round(SCORE_MEAN + SCORE_SD * production, 9),
        "shadow": np.round(SCORE_MEAN + SCORE_SD * shadow, 9),
        "agree": np.abs(shadow - production) <= 0.5,
        "production_ms": np.round(median * np.exp(sigma * slow_here), 3),
        "shadow_ms": np.round(median * truth.shadow_latency_ratio * np.exp(sigma * slow_there), 3),
        "failed": failed,
    }
    rows["shadow_ms"][failed] = -1.0
    rows = by_time(rows)
    rows["request"] = day.toordinal() * 10**9 + np.arange(n)
    return rows


def correlation(agreement: float) -> float:
    """The correlation at which so many scores lie within half a standard deviation of one another.

    The difference of two standard normal scores has variance 2 (1 - rho).
    """
    if agreement == 1:
        return 1.0
    return 1 - 0.125 / NormalDist().inv_cdf((1 + agreement) / 2) ** 2
