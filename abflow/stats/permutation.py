"""A difference of means against what re-labelling the units gives: a p-value that trusts no distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import SpecError
from abflow.stats.buckets import BUCKETS, sums_in_equal_buckets
from abflow.stats.means import difference_in_means
from abflow.stats.moments import moments_of
from abflow.stats.result import Unavailable

# A p-value of 0.05 is then known to 0.002.
DRAWS = 10_000
# All splits of two arms of 10 units, which take less than a second; two of 11 have 700 000.
MAX_SPLITS, MAX_UNITS = 200_000, 10
# Buckets that the smaller arm keeps, so that its share of them can vary as its units would.
MIN_BUCKETS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class PermutationTest:
    """How unusual the difference is among the differences that re-labelled units show.

    Attributes:
        p_value: Two-sided, of the hypothesis that the means are equal.
        statistic: Difference of means, treatment minus control, over its Welch standard error.
        splits: Ways to label the units that were looked at, the one seen among them.
        method: Name of the test.
    """

    p_value: float
    statistic: float
    splits: int
    method: str


def permutation_test(
    control: ArrayLike, treatment: ArrayLike, *, seed: int, draws: int = DRAWS
) -> PermutationTest | Unavailable:
    """Studentised permutation test of a difference of means.

    T = (m_t - m_c) / sqrt(s_c²/n_c + s_t²/n_t), and p = (1 + draws with abs(T) as large) / (1 + draws).

    Exact when both arms have the same distribution; right in large samples when only their means are equal,
    because every re-labelled difference is divided by its own standard error. All splits are looked at when
    there are at most 200 000 of them. Of many units some stay together in buckets dealt at random, which
    keeps the test as valid: swapping buckets is re-labelling too.

    Args:
        control: Shape (units,).
        treatment: The same of the other arm.
        seed: The same seed gives the same p-value.
        draws: Random splits, when there are too many to look at all.

    Raises:
        SpecError: Fewer draws than one.

    References:
        Chung, Romano (2013), Annals of Statistics 41, 484-507; Phipson, Smyth (2010), Statistical Applications
        in Genetics and Molecular Biology 9, article 39, for counting the split seen among the draws.
    """
    if draws < 1:
        raise SpecError(f"{draws} random splits; take 1 or more, {DRAWS} is usual")
    arms = moments_of(control), moments_of(treatment)
    seen = difference_in_means(*arms, min_units=2)
    if isinstance(seen, Unavailable):
        return seen
    statistic = seen.value / seen.se
    centre = (arms[0] + arms[1]).mean
    units = _features(control, centre), _features(treatment, centre)
    if _are_few(arms[0].n, arms[1].n):
        others = _every_split(*units)
        # The split seen is one of them, whatever rounding made of it.
        return PermutationTest(
            p_value=max(_as_far(others, statistic), 1) / others.size,
            statistic=statistic,
            splits=others.size,
            method="studentised permutation test, every split",
        )
    others = _random_splits(*units, draws, np.random.default_rng(seed))
    return PermutationTest(
        p_value=(1 + _as_far(others, statistic)) / (1 + draws),
        statistic=statistic,
        splits=1 + draws,
        method=f"studentised permutation test, {draws} random splits",
    )


def _are_few(n: int, m: int) -> bool:
    # The smaller arm is looked at first: the binomial coefficient of two million units takes minutes.
    return min(n, m) <= MAX_UNITS and math.comb(n + m, n) <= MAX_SPLITS


def _features(values: ArrayLike, centre: float) -> NDArray[np.float64]:
    """Distance from the common mean and its square: centred, so that sums of squares keep their digits."""
    distances = np.asarray(values, dtype=np.float64) - centre
    return np.column_stack((distances, distances * distances))


def _every_split(control: NDArray[np.float64], treatment: NDArray[np.float64]) -> NDArray[np.float64]:
    smaller, larger = sorted((control, treatment), key=len)
    units = np.concatenate((smaller, larger))
    listed = chain.from_iterable(combinations(range(len(units)), len(smaller)))
    picks = np.fromiter(listed, dtype=np.intp).reshape(-1, len(smaller))
    return _statistics(units[picks].sum(axis=1), units.sum(axis=0), len(smaller), len(larger))


def _random_splits(
    control: NDArray[np.float64], treatment: NDArray[np.float64], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    smaller, larger = sorted((control, treatment), key=len)
    units = len(smaller) + len(larger)
    size = max(min(math.ceil(units / BUCKETS), len(smaller) // MIN_BUCKETS), 1)
    inside, stays = sums_in_equal_buckets(smaller, size, rng)
    outside, _ = sums_in_equal_buckets(larger, size, rng)
    buckets = np.concatenate((inside, outside))
    sums = np.empty((draws, 2))
    for draw in range(draws):
        picks = rng.choice(len(buckets), len(inside), replace=False, shuffle=False)
        sums[draw] = buckets.take(picks, axis=0).sum(axis=0)
    return _statistics(sums + stays, smaller.sum(axis=0) + larger.sum(axis=0), len(smaller), len(larger))


def _statistics(
    smaller: NDArray[np.float64], both: NDArray[np.float64], n_smaller: int, n_larger: int
) -> NDArray[np.float64]:
    """Welch's statistic of every split, without its sign."""
    larger = both - smaller
    difference = np.abs(smaller[:, 0] / n_smaller - larger[:, 0] / n_larger)
    variance = _variance_of_mean(smaller, n_smaller) + _variance_of_mean(larger, n_larger)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = difference / np.sqrt(variance)
    # A split into two constant arms is as far from equal as can be, or equal.
    return np.where(variance > 0, statistics, np.where(difference > 0, np.inf, 0.0))


def _variance_of_mean(sums: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return np.maximum(sums[:, 1] - sums[:, 0] ** 2 / n, 0.0) / (n - 1) / n


def _as_far(others: NDArray[np.float64], statistic: float) -> int:
    """Splits at least as far from 0 as the one seen; a ten-millionth keeps equal ones together."""
    return int(np.count_nonzero(others >= abs(statistic) * (1 - 1e-7)))
