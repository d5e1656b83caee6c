"""Resampling and ranks: units dealt anew, re-labelled, drawn again or ranked, in worlds without a difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abflow.calibration.study import Rate, Study, at_least, at_most, between, exactly, reported
from abflow.stats.bootstrap import Bootstrapped, bootstrap_interval
from abflow.stats.means import difference_in_means
from abflow.stats.moments import Moments
from abflow.stats.permutation import permutation_test
from abflow.stats.random_splits import random_splits
from abflow.stats.rank_test import RankTest, rank_test
from abflow.stats.rerandomisation import ALPHA, Kind, rerandomised_p_values
from abflow.stats.result import Estimate, Unavailable

Floats = NDArray[np.float64]
Interval = Literal["bca", "percentile"]

INTERVALS: tuple[Interval, ...] = ("bca", "percentile")
UNITS, ROWS = 2_000, 10
# Of 1 000 re-randomisations so many rejections are a failure; a test of rows has to be found out by them.
TOO_OFTEN = 0.079


def _rerandomised(runs: int, seed: int) -> tuple[Rate, ...]:
    """One world of units with ten rows each, dealt anew in every run."""
    rng = np.random.default_rng(seed)
    rates = rng.beta(1.0, 4.0, size=UNITS)
    clicked = rng.random((UNITS, ROWS)) < rates[:, np.newaxis]
    # Rows of one unit resemble one another: half of the variance of the logarithm is the unit's.
    latency = np.exp(rng.normal(size=(UNITS, 1)) + rng.normal(size=(UNITS, ROWS)))
    fast = (latency <= np.quantile(latency, 0.95)).sum(axis=1)
    views = rng.integers(1, ROWS + 1, size=UNITS)
    clicks = np.where(np.arange(ROWS) < views[:, np.newaxis], clicked, False).sum(axis=1)
    metrics: tuple[tuple[str, Kind, Floats], ...] = (
        ("proportion", "proportion", clicked.sum(axis=1) > 1),
        ("count", "mean", clicked.sum(axis=1)),
        ("mean", "mean", latency.sum(axis=1)),
        ("ratio", "ratio", np.column_stack((clicks, views))),
        ("quantile", "ratio", np.column_stack((fast, np.full(UNITS, ROWS)))),
    )
    return (
        *(
            exactly(f"{name}, units dealt anew: rejected", _rejected_again(kind, values, runs, seed), runs, ALPHA)
            for name, kind, values in metrics
        ),
        at_least("mean of rows, units dealt anew: rejected", _rejected_by_rows(latency, runs, seed), runs, TOO_OFTEN),
    )


def _rejected_again(kind: Kind, values: Floats, runs: int, seed: int) -> int:
    p_values = rerandomised_p_values(kind, values, (1, 1), draws=runs, seed=seed)
    return 0 if isinstance(p_values, Unavailable) else int(np.count_nonzero(p_values < ALPHA))


def _rejected_by_rows(rows: Floats, runs: int, seed: int) -> int:
    """The counter-example: units are dealt, but each of their rows is tested as if it were one."""
    distances = rows - rows.mean()
    features = np.column_stack((distances.sum(axis=1), (distances**2).sum(axis=1)))
    dealt = random_splits(features, np.ones(len(rows), dtype=np.int64), (1, 1), draws=runs, seed=seed)
    rejected = 0
    for units, sums in zip(dealt.units * ROWS, dealt.sums, strict=True):
        arms = [Moments(n=int(n), mean=s / n, m2=ss - s * s / n) for n, (s, ss) in zip(units, sums, strict=True)]
        found = difference_in_means(*arms)
        rejected += isinstance(found, Estimate) and found.p_value < ALPHA
    return rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """Two arms of which something is known.

    Attributes:
        name: For the reader of a rate.
        arms: Draws control and treatment.
        judge: What is asked of the rate.
        compare: What a bootstrap interval is about.
        truth: Its true value.
    """

    name: str
    arms: Callable[[np.random.Generator], tuple[Floats, Floats]]
    judge: Callable[[str, int, int, float], Rate] = exactly
    compare: Literal["difference", "lift"] = "difference"
    truth: float = 0.0


Hit = Callable[[_World, Floats, Floats, int], bool]


def _rates(worlds: tuple[_World, ...], hit: Hit, what: str, should: float, *, runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    rates = []
    for world in worlds:
        hits = sum(hit(world, *world.arms(rng), run) for run in range(runs))
        rates.append(world.judge(f"{world.name}: {what}", hits, runs, should))
    return tuple(rates)


def _shown(what: str, hits: int, runs: int, _: float) -> Rate:
    return reported(what, hits, runs)


def _heavy(rng: np.random.Generator, units: int) -> Floats:
    return rng.lognormal(sigma=2.0, size=units)


def _mostly_zero(rng: np.random.Generator, units: int) -> Floats:
    return rng.lognormal(size=units) * (rng.random(units) < 0.03)


def _counts(rng: np.random.Generator, units: int) -> Floats:
    return rng.poisson(0.7, size=units).astype(np.float64)


# Equal means, and where it says so the same distribution; the smaller arm has the larger spread, which is worst.
PERMUTED = (
    _World(name="normal, 8 and 6 units", arms=lambda rng: (rng.normal(size=8), rng.normal(size=6)), judge=at_most),
    _World(name="equal heavy tails, 100 and 40 units", arms=lambda rng: (_heavy(rng, 100), _heavy(rng, 40))),
    _World(
        name="normal of spread 1 and 3, 200 and 50 units",
        arms=lambda rng: (rng.normal(size=200), rng.normal(scale=3, size=50)),
    ),
    _World(
        name="normal of spread 1 and 2, 8 000 and 2 000 units in buckets",
        arms=lambda rng: (rng.normal(size=8_000), rng.normal(scale=2, size=2_000)),
    ),
)
SPLITS = 199  # a p-value of 5 % is then the tenth of 200, exactly


def _permuted(runs: int, seed: int) -> tuple[Rate, ...]:
    def rejects(_: _World, control: Floats, treatment: Floats, run: int) -> bool:
        found = permutation_test(control, treatment, draws=SPLITS, seed=run)
        return not isinstance(found, Unavailable) and found.p_value <= ALPHA

    return _rates(PERMUTED, rejects, "rejected", ALPHA, runs=runs, seed=seed)


EQUAL = (
    _World(
        name="lognormal, 8 and 8 units, exact",
        arms=lambda rng: (rng.lognormal(size=8), rng.lognormal(size=8)),
        judge=at_most,
    ),
    _World(name="lognormal, 100 and 60 units", arms=lambda rng: (rng.lognormal(size=100), rng.lognormal(size=60))),
    _World(
        name="counts of few values, 100 and 100 units",
        arms=lambda rng: (_counts(rng, 100), _counts(rng, 100)),
    ),
    _World(
        name="97 % zeros, 1 000 and 1 000 units",
        arms=lambda rng: (_mostly_zero(rng, 1_000), _mostly_zero(rng, 1_000)),
    ),
)
# A treatment's unit wins half of the time, but the distributions differ: the p-value asks for more than that.
UNEQUAL = _World(
    name="normal of spread 1 and 3, 100 and 40 units",
    arms=lambda rng: (rng.normal(size=100), rng.normal(scale=3, size=40)),
)


def _ranked(runs: int, seed: int) -> tuple[Rate, ...]:
    def rejects(_: _World, control: Floats, treatment: Floats, __: int) -> bool:
        found = rank_test(control, treatment)
        return isinstance(found, RankTest) and found.p_value < ALPHA

    def covers(_: _World, control: Floats, treatment: Floats, __: int) -> bool:
        found = rank_test(control, treatment)
        if isinstance(found, Unavailable) or isinstance(found.interval, Unavailable):
            return False
        return found.interval[0] <= 0.5 <= found.interval[1]

    tested = (*EQUAL, replace(UNEQUAL, judge=_shown))
    return (
        *_rates(tested, rejects, "rejected", ALPHA, runs=runs, seed=seed),
        *_rates((*EQUAL[1:], UNEQUAL), covers, "superiority covered", 1 - ALPHA, runs=runs, seed=seed),
    )


def _clicks(rng: np.random.Generator, units: int, rate: float) -> Floats:
    """Clicks and views of units that differ in how often they click."""
    views = rng.integers(1, 2 * ROWS, size=units)
    return np.column_stack((rng.binomial(views, rng.beta(20 * rate, 20 * (1 - rate), size=units)), views))


def _about(what: str, hits: int, runs: int, should: float) -> Rate:
    """The bootstrap's error shrinks with the sample: skewed data of moderate size still cost it up to two points."""
    return between(what, hits, runs, should - 0.02, should + 0.01)


RESAMPLED = (
    _World(
        name="difference of lognormal means, 1 000 and 500 units",
        arms=lambda rng: (rng.lognormal(size=1_000), rng.lognormal(size=500)),
        judge=_about,
    ),
    _World(
        name="lift of clicks per view, 400 and 400 units",
        arms=lambda rng: (_clicks(rng, 400, 0.2), _clicks(rng, 400, 0.25)),
        judge=_about,
        compare="lift",
        truth=0.25,
    ),
    _World(
        name="difference of means with heavy tails, 100 and 100 units",
        arms=lambda rng: (_heavy(rng, 100), _heavy(rng, 100)),
        judge=_shown,
    ),
)
IN_BUCKETS = (
    _World(
        name="difference of means, 20 000 units in buckets and 500 units",
        arms=lambda rng: (rng.exponential(scale=6, size=20_000), 5 + rng.exponential(size=500)),
        judge=_about,
    ),
)


def _resampled(worlds: tuple[_World, ...], draws: int) -> Callable[[int, int], tuple[Rate, ...]]:
    def rates(runs: int, seed: int) -> tuple[Rate, ...]:
        return tuple(
            rate
            for interval in INTERVALS
            for rate in _rates(worlds, covering(interval), f"covered by {interval}", 1 - ALPHA, runs=runs, seed=seed)
        )

    def covering(interval: Interval) -> Hit:
        def covers(world: _World, control: Floats, treatment: Floats, run: int) -> bool:
            found = bootstrap_interval(
                control, treatment, compare=world.compare, interval=interval, draws=draws, seed=run
            )
            return isinstance(found, Bootstrapped) and found.lower <= world.truth <= found.upper

        return covers

    return rates


STUDIES = (
    Study(
        name="rerandomised",
        claim="units of ten rows dealt anew, the test of every metric kind rejects 5 %, and a test of rows far more",
        runs=1_000,
        rates=_rerandomised,
    ),
    Study(
        name="permutation",
        claim="the studentised permutation test rejects equal means 5 % of the time, whatever the spreads and sizes",
        runs=3_000,
        rates=_permuted,
    ),
    Study(
        name="ranks",
        claim="the rank test rejects equal distributions 5 % of the time, and its interval covers in 95 %",
        runs=20_000,
        rates=_ranked,
    ),
    Study(
        name="bootstrap",
        claim="bootstrap intervals cover in 93 to 96 % at moderate sizes; heavy tails at 100 units are only reported",
        runs=3_000,
        rates=_resampled(RESAMPLED, draws=400),
    ),
    Study(
        name="bootstrap-buckets",
        claim="drawing buckets in the place of units leaves the coverage at 93 to 96 %",
        runs=500,
        rates=_resampled(IN_BUCKETS, draws=400),
    ),
)
