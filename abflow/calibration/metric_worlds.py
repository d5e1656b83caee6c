"""Metrics whose truth is known, one world for each kind that a readout compares."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from abflow.stats.means import difference_in_means, difference_in_ratios
from abflow.stats.moments import JointMoments, Moments, moments_of
from abflow.stats.proportions import difference_in_proportions
from abflow.stats.result import Estimate, Unavailable

Arm = TypeVar("Arm", Moments, JointMoments)


@dataclass(frozen=True, slots=True, kw_only=True)
class World(Generic[Arm]):
    """One kind of metric whose truth is known.

    Attributes:
        name: For the reader of a rate.
        kind: Which bounds the readout takes for a margin.
        mean: Of the control.
        compare: The readout's test of a difference.
        linear: An arm as moments of one number per unit.
        pairs: Control and treatment of every run, given the generator, units per arm, runs and the true relative
            lift; with how many runs came out like this.
        normal_from: Units per arm from which the normal approximation must hold.
        one_sided_from: The same for one side alone, where the arms' skewness does not cancel.
    """

    name: str
    kind: Literal["proportion", "mean"]
    mean: float
    compare: Callable[[Arm, Arm], Estimate | Unavailable]
    linear: Callable[[Arm], Moments]
    pairs: Callable[[np.random.Generator, int, int, float], Iterator[tuple[Arm, Arm, int]]]
    normal_from: int
    one_sided_from: int


def _proportion(p: float) -> World[Moments]:
    def pairs(rng: np.random.Generator, n: int, runs: int, lift: float) -> Iterator[tuple[Moments, Moments, int]]:
        events = rng.binomial(n, (p, p * (1 + lift)), size=(runs, 2))
        # The same counts have the same answer, which is looked up once.
        tables, times = np.unique(events, axis=0, return_counts=True)
        for (control, treatment), count in zip(tables.tolist(), times.tolist(), strict=True):
            yield _events(control, n), _events(treatment, n), count

    return World(
        name=f"proportion {p:g}",
        kind="proportion",
        mean=p,
        compare=difference_in_proportions,
        linear=lambda arm: arm,
        pairs=pairs,
        normal_from=10_000,
        one_sided_from=10_000,
    )


def _events(events: int, n: int) -> Moments:
    return Moments(n=n, mean=events / n, m2=events * (n - events) / n)


def _mean(
    name: str, mean: float, arm: Callable[[np.random.Generator, int], Moments], *, one_sided_from: int
) -> World[Moments]:
    def pairs(rng: np.random.Generator, n: int, runs: int, lift: float) -> Iterator[tuple[Moments, Moments, int]]:
        for _ in range(runs):
            yield arm(rng, n), arm(rng, n).scaled(1 + lift), 1

    return World(
        name=name,
        kind="mean",
        mean=mean,
        compare=difference_in_means,
        linear=lambda arm: arm,
        pairs=pairs,
        normal_from=10_000,
        one_sided_from=one_sided_from,
    )


def _lognormal(rng: np.random.Generator, n: int) -> Moments:
    return moments_of(rng.lognormal(size=n))


def _mostly_zero(rng: np.random.Generator, n: int) -> Moments:
    buyers = int(rng.binomial(n, 0.03))
    return moments_of(rng.lognormal(size=buyers)) + Moments(n=n - buyers, mean=0.0, m2=0.0)


def _clustered_pairs(
    rng: np.random.Generator, n: int, runs: int, lift: float
) -> Iterator[tuple[JointMoments, JointMoments, int]]:
    """Clicks and views of units that differ in how often they click; 0 to 9 views, alike often.

    There are only 55 kinds of unit, so an arm is drawn as how many units of each kind it has.
    """
    views = np.repeat(np.arange(10), np.arange(10) + 1)
    clicks = np.concatenate([np.arange(v + 1) for v in range(10)])
    chance = np.array([_beta_binomial(c, v) for c, v in zip(clicks.tolist(), views.tolist(), strict=True)]) / 10
    kinds = rng.multinomial(n, chance / chance.sum(), size=(runs, 2))
    for control, treatment in kinds:
        yield _joint(control, clicks, views), _joint(treatment, clicks * (1 + lift), views), 1


def _beta_binomial(clicks: int, views: int) -> float:
    """Chance of so many clicks when click rates follow Beta(1, 4), whose mean is a fifth."""
    return (
        math.comb(views, clicks)
        * 4
        * math.factorial(clicks)
        * math.factorial(views - clicks + 3)
        / (math.factorial(views + 4))
    )


def _joint(units: NDArray[np.int64], x: NDArray[np.float64], y: NDArray[np.int64]) -> JointMoments:
    n = int(units.sum())
    from_x, from_y = x - units @ x / n, y - units @ y / n
    return JointMoments(
        n=n,
        mean_x=float(units @ x / n),
        mean_y=float(units @ y / n),
        m2_x=float(units @ from_x**2),
        m2_y=float(units @ from_y**2),
        cross=float(units @ (from_x * from_y)),
    )


MEAN_OF_LOGNORMAL = math.exp(0.5)
CLUSTERED = World(
    name="ratio of clustered rows",
    kind="mean",
    mean=0.2,
    compare=difference_in_ratios,
    linear=JointMoments.linearised,
    pairs=_clustered_pairs,
    normal_from=100,
    one_sided_from=10_000,
)
WORLDS: tuple[World[Any], ...] = (
    *(_proportion(p) for p in (0.01, 0.1, 0.5)),
    _mean("lognormal mean", MEAN_OF_LOGNORMAL, _lognormal, one_sided_from=10_000),
    _mean("mean with 97 % zeros", 0.03 * MEAN_OF_LOGNORMAL, _mostly_zero, one_sided_from=100_000),
    CLUSTERED,
)
