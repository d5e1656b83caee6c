"""Playing an allocation rule day by day in a world whose truth is known, many times at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from abflow.errors import SpecError
from abflow.stats.moments import Moments
from abflow.stats.thompson import FLOOR, MIN_UNITS, Floats, Kind, Rule, play_shares, posterior_draws, with_floor

# Shares known to three points are enough to play by: their noise averages out over the days.
DRAWS_A_DAY = 200
# Runs drawn together; a thousand keep the posterior draws of one day within a few dozen megabytes.
RUNS_TOGETHER = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is true on each day.

    Attributes:
        means: True mean of each arm on each day, days by arms.
        units_a_day: Units that arrive every day; each is seen once and is mature the day after.
        sd: Standard deviation of a normal reward; None when rewards are 0 or 1.

    Raises:
        SpecError: No such world is possible.
    """

    means: Sequence[Sequence[float]]
    units_a_day: int
    sd: float | None = None

    def __post_init__(self) -> None:
        means = np.asarray(self.means, dtype=np.float64)
        if means.ndim != 2 or means.shape[1] < 2 or not np.isfinite(means).all():
            raise SpecError("the true means must be one finite number per day and arm, with two arms or more")
        if self.sd is None and not ((means >= 0) & (means <= 1)).all():
            raise SpecError("rewards of 0 or 1 have means between 0 and 1; give an sd for any other reward")
        if not self.units_a_day >= 1 or (self.sd is not None and not 0 < self.sd < math.inf):
            raise SpecError(f"{self.units_a_day} units a day with sd {self.sd}; both must be finite and above 0")

    @property
    def kind(self) -> Kind:
        """How the rewards are analysed."""
        return "proportion" if self.sd is None else "mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What was seen in every run, each array of shape (runs, days, arms).

    Attributes:
        n: Units.
        mean: Mean reward; 0 where there was no unit.
        m2: Centred sum of squares of the rewards.
    """

    n: Floats
    mean: Floats
    m2: Floats

    def batches(self, run: int, *, control: int = 0, treatment: int = 1) -> list[tuple[Moments, Moments]]:
        """Moments of two arms on each day of one run."""
        days = range(self.n.shape[1])
        return [(self._moments(run, day, control), self._moments(run, day, treatment)) for day in days]

    def _moments(self, run: int, day: int, arm: int) -> Moments:
        at = run, day, arm
        return Moments(n=int(self.n[at]), mean=float(self.mean[at]), m2=float(self.m2[at]))


def play(world: World, *, rule: Rule | Literal["fixed"], runs: int, seed: int, floor: float = FLOOR) -> Played:
    """Let a rule share out the units of every day, starting from equal shares.

    The shares change over night, from everything seen so far, once every arm has 100 units. `fixed` keeps the
    equal shares.

    Args:
        world: What is true on each day.
        rule: How the shares follow what was seen.
        runs: Experiments to play.
        seed: The same seed, the same experiments.
        floor: Least share of an arm.

    Raises:
        SpecError: The floor is no share, or the rule is unknown.
    """
    rng = np.random.default_rng(seed)
    sizes = [min(RUNS_TOGETHER, runs - start) for start in range(0, runs, RUNS_TOGETHER)]
    parts = [_play_together(world, rule=rule, runs=size, rng=rng, floor=floor) for size in sizes]
    n, mean, m2 = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Played(n=n, mean=mean, m2=m2)


def _play_together(
    world: World, *, rule: Rule | Literal["fixed"], runs: int, rng: np.random.Generator, floor: float
) -> tuple[Floats, Floats, Floats]:
    means = np.asarray(world.means, dtype=np.float64)
    arms = means.shape[1]
    weights = np.full((runs, arms), 1 / arms)
    so_far = np.zeros((3, runs, arms))
    days = []
    for true in means:
        n = rng.multinomial(world.units_a_day, weights).astype(np.float64)
        day = np.stack([n, *_rewards(n, true, world.sd, rng)])
        days.append(day)
        so_far = _merged(so_far, day)
        ready = so_far[0].min(axis=-1) >= MIN_UNITS
        if rule != "fixed" and ready.any():
            draws = posterior_draws(*so_far[:, ready], kind=world.kind, rng=rng, draws=DRAWS_A_DAY)
            weights[ready] = with_floor(play_shares(draws, rule=rule), floor)
    n, mean, m2 = np.stack(days, axis=2)
    return n, mean, m2


def _rewards(n: Floats, true: Floats, sd: float | None, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Mean and centred sum of squares of `n` rewards, drawn from their own distributions."""
    some = np.maximum(n, 1)
    if sd is None:
        mean = rng.binomial(n.astype(np.int64), np.broadcast_to(true, n.shape)) / some
        return mean, n * mean * (1 - mean)
    mean = np.where(n > 0, true + sd / np.sqrt(some) * rng.standard_normal(n.shape), 0.0)
    # A chi-square with n - 1 degrees of freedom, which is 0 for a single reward.
    return mean, sd * sd * 2 * rng.standard_gamma(np.maximum(n - 1, 0) / 2)


def _merged(left: Floats, right: Floats) -> Floats:
    """Counts, means and centred sums of squares of both; as `Moments` add, for many runs at once."""
    n = left[0] + right[0]
    share = right[0] / np.maximum(n, 1)
    shift = right[1] - left[1]
    return np.stack([n, left[1] + shift * share, left[2] + right[2] + shift * shift * left[0] * share])
