"""Bandits and what is read from their logs: tests after adaptive shares, hard limits, other policies."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from abflow.calibration.study import Rate, Study, at_least, at_most, exactly, reported
from abflow.stats.bandit_simulation import World, play
from abflow.stats.batched_ols import BatchedDifference, batched_difference
from abflow.stats.hard_limit import ROLL_BACK, log_e_values
from abflow.stats.means import difference_in_means
from abflow.stats.moments import EMPTY, Moments
from abflow.stats.off_policy import LoggedPolicy, Method, PolicyValue, policy_value
from abflow.stats.proportions import difference_in_proportions
from abflow.stats.result import Estimate, Unavailable
from abflow.stats.reward_model import cross_fitted_means

ALPHA = 0.05
DAYS = 21
UNITS_A_DAY = 1_000
# Canaries, or logs of them, held in memory together.
TOGETHER = 250
Batches = list[tuple[Moments, Moments]]


def _equal_arms(runs: int, seed: int) -> tuple[Rate, ...]:
    rates: list[Rate] = []
    for name, world in (
        ("rate .05, flat", _world(0.05, times=1)),
        ("rate .05, doubling", _world(0.05, times=2)),
        ("normal, flat", _world(1, times=1, sd=1)),
        ("normal, doubling", _world(1, times=2, sd=1)),
    ):
        batched = pooled = 0
        for batches in _logs(world, runs, seed):
            got = batched_difference(batches, kind=world.kind)
            batched += isinstance(got, BatchedDifference) and got.estimate.p_value < ALPHA
            pooled += _rejects_when_pooled(batches, world)
        rates += [
            exactly(f"batched OLS, {name}: rejected", batched, runs, ALPHA),
            reported(f"all days pooled, {name}: rejected", pooled, runs),
        ]
    return tuple(rates)


def _world(mean: float, *, times: float, effect: float = 0, sd: float | None = None) -> World:
    """Two arms whose baseline rises evenly to `times` its first day."""
    baseline = [mean * (1 + (times - 1) * day / (DAYS - 1)) for day in range(DAYS)]
    return World(means=[(control, control + effect) for control in baseline], units_a_day=UNITS_A_DAY, sd=sd)


def _logs(world: World, runs: int, seed: int) -> Iterator[Batches]:
    played = play(world, rule="thompson", runs=runs, seed=seed)
    return (played.batches(run) for run in range(runs))


def _rejects_when_pooled(batches: Batches, world: World) -> bool:
    control = sum((control for control, _ in batches), EMPTY)
    treatment = sum((treatment for _, treatment in batches), EMPTY)
    test = difference_in_proportions if world.kind == "proportion" else difference_in_means
    got = test(control, treatment)
    return isinstance(got, Estimate) and got.p_value < ALPHA


def _true_effects(runs: int, seed: int) -> tuple[Rate, ...]:
    rates = []
    for name, effect, world in (
        ("rate .05, flat, +.01", 0.01, _world(0.05, times=1, effect=0.01)),
        ("rate .25, doubling, +.25", 0.25, _world(0.25, times=2, effect=0.25)),
        ("normal, doubling, +.1", 0.1, _world(1, times=2, effect=0.1, sd=1)),
    ):
        covered = 0
        for batches in _logs(world, runs, seed):
            got = batched_difference(batches, kind=world.kind)
            covered += isinstance(got, BatchedDifference) and got.estimate.lower < effect < got.estimate.upper
        rates.append(exactly(f"batched OLS interval, {name}: covers", covered, runs, 1 - ALPHA))
    return tuple(rates)


def _canaries(runs: int, seed: int) -> tuple[Rate, ...]:
    limit, rng = 0.02, np.random.default_rng(seed)

    def rolled_back(share: float, requests: int) -> int:
        return sum(_count_rolled_back(at, limit) for at in _event_times(rng, share, requests, runs))

    by_running_rate = sum(_count_above(at, limit) for at in _event_times(rng, 0.01, 2_000, runs))
    return (
        at_most("share at the limit, 20 000 requests: rolled back", rolled_back(limit, 20_000), runs, 1 / ROLL_BACK),
        at_most("share half the limit, 20 000 requests: rolled back", rolled_back(0.01, 20_000), runs, 1 / ROLL_BACK),
        reported("running rate, share half the limit, 2 000 requests: rolled back", by_running_rate, runs),
        reported("share .05, 500 requests: found", rolled_back(0.05, 500), runs),
        at_least("share .05, 1 500 requests: found", rolled_back(0.05, 1_500), runs, 0.95),
        reported("share .5, 8 requests: found", rolled_back(0.5, 8), runs),
        at_least("share .5, 20 requests: found", rolled_back(0.5, 20), runs, 0.95),
    )


def _event_times(rng: np.random.Generator, share: float, requests: int, runs: int) -> Iterator[NDArray[np.float64]]:
    """The requests that have the event, (canaries, events), infinite after the last request."""
    # Evidence only grows at an event, so nothing happens between; 8 sd more than the mean never run out.
    most = math.ceil(requests * share + 8 * math.sqrt(requests * share))
    for start in range(0, runs, TOGETHER):
        at = rng.geometric(share, size=(min(TOGETHER, runs - start), most)).cumsum(axis=1).astype(np.float64)
        yield np.where(at <= requests, at, np.inf)


def _count_rolled_back(at: NDArray[np.float64], limit: float) -> int:
    seen = np.isfinite(at)
    events = np.broadcast_to(np.arange(1, at.shape[1] + 1), at.shape)
    evidence = log_e_values(np.where(seen, events, 0), np.where(seen, at, 0), limit=limit)
    return int(np.count_nonzero((evidence >= math.log(ROLL_BACK)).any(axis=1)))


def _count_above(at: NDArray[np.float64], limit: float) -> int:
    """The habit that the test replaces: stop when the rate so far is above the limit, from request 100 on."""
    rate = np.arange(1, at.shape[1] + 1) / np.maximum(at, 100)
    return int(np.count_nonzero((rate > limit).any(axis=1)))


# Two kinds of user, three actions: how the log chose, how the other policy would, what an action earns.
LOGGED = np.array([[0.5, 0.3, 0.2], [0.25, 0.5, 0.25]])
TARGET = np.array([[0.2, 0.6, 0.2], [0.5, 0.1, 0.4]])
EARNS = np.array([[0.1, 0.2, 0.3], [0.4, 0.25, 0.15]])
ROWS_PER_UNIT = 4
UNITS = 500


def _other_policy(runs: int, seed: int) -> tuple[Rate, ...]:
    rng, truth = np.random.default_rng(seed), float(np.mean(np.sum(TARGET * EARNS, axis=1)))
    methods: tuple[Method, ...] = ("ipw", "self_normalised", "doubly_robust")
    covered = dict.fromkeys(methods, 0)
    by_row = 0
    for _ in range(runs):
        log = _log(rng)
        for method in methods:
            covered[method] += _covers(policy_value(log, method=method), truth)
        by_row += _covers(policy_value(replace(log, unit=None)), truth)
    return (
        *(exactly(f"{method}: covers", hits, runs, 1 - ALPHA) for method, hits in covered.items()),
        reported("self_normalised, rows taken as independent: covers", by_row, runs),
    )


def _log(rng: np.random.Generator) -> LoggedPolicy:
    """Users with four rows each; one of them is always luckier than another."""
    unit = np.repeat(np.arange(UNITS), ROWS_PER_UNIT)
    kind = rng.integers(2, size=UNITS)[unit]
    luck = rng.choice([0.0, 2.0], size=UNITS)[unit]
    action = (rng.random(len(unit))[:, None] > LOGGED[kind].cumsum(axis=1)).sum(axis=1)
    reward = (rng.random(len(unit)) < luck * EARNS[kind, action]).astype(np.float64)
    predicted = cross_fitted_means(reward, action, TARGET[kind], segment=kind, unit=unit)
    return LoggedPolicy(
        reward=reward,
        propensity=LOGGED[kind, action],
        target=TARGET[kind, action],
        predicted=predicted.logged,
        predicted_target=predicted.target,
        unit=unit,
    )


def _covers(got: PolicyValue | Unavailable, truth: float) -> bool:
    return isinstance(got, PolicyValue) and got.lower < truth < got.upper


STUDIES = (
    Study(
        name="thompson-equal-arms",
        claim="After Thompson sampling batched OLS tells equal arms apart 5 % of the time, drift or not.",
        runs=5_000,
        rates=_equal_arms,
    ),
    Study(
        name="thompson-intervals",
        claim="After Thompson sampling the batched interval covers the true difference 95 % of the time.",
        runs=5_000,
        rates=_true_effects,
    ),
    Study(
        name="hard-limits",
        claim="A canary within its limits is rolled back at most once in 1 000; one far beyond, soon.",
        runs=5_000,
        rates=_canaries,
    ),
    Study(
        name="off-policy",
        claim="Where the weights are healthy, the interval of another policy's value covers it 95 % of the time.",
        runs=5_000,
        rates=_other_policy,
    ),
)
