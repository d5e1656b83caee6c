"""Which arm tends to have the larger values? A test of ranks, which no outlier can move; not a test of means."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.stats.contrast import Contrast, variance_of_mean, why_not_comparable
from abflow.stats.moments import moments_of
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import normal_sf

# Up to here the normal approximation of the rank sum is coarse and the exact distribution costs nothing.
EXACT_UNITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RankTest:
    """Whether units of one arm tend to have larger values, and how often they do.

    A shift of the mean that comes from a few large units does not show here, and a difference that shows
    here need not be one of means.

    Attributes:
        p_value: Two-sided, of the hypothesis that both arms have the same distribution (Mann-Whitney).
        superiority: Chance that a unit of the treatment has a larger value than a unit of the control, a tie
            counting half; 0.5 when neither tends to be larger.
        interval: Ends for the superiority, right also when the arms differ in spread or shape, where the
            p-value answers another question; or why there are none.
        confidence: Coverage of the interval.
        method: Name of the test and of the interval.
    """

    p_value: float
    superiority: float
    interval: tuple[float, float] | Unavailable
    confidence: float
    method: str


def rank_test(control: ArrayLike, treatment: ArrayLike, *, confidence: float = 0.95) -> RankTest | Unavailable:
    """Mann-Whitney's test, and the chance that the treatment's unit beats the control's.

    Superiority = P(T > C) + P(T = C) / 2, with the variance s_c²/n + s_t²/m of the shares of the other arm that each
    unit beats. Without a difference the number of wins has the variance n m / 12 (N + 1 - Σ (t³ - t) / (N (N - 1))),
    with t of all N = n + m units at each value, so ties are corrected for. The p-value is exact without ties when an
    arm has at most 8 units, otherwise from the normal distribution with continuity correction.

    Args:
        control: Shape (units,).
        treatment: The same of the other arm.
        confidence: Coverage of the interval.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Mann, Whitney (1947), Annals of Mathematical Statistics 18, 50-60; Brunner, Munzel (2000), Biometrical
        Journal 42, 17-25, with the variance of DeLong, DeLong, Clarke-Pearson (1988), Biometrics 44, 837-845.
    """
    refusal = why_not_comparable(moments_of(control), moments_of(treatment), min_units=2)
    if refusal is not None:
        return refusal
    below, above = (np.sort(np.asarray(arm, dtype=np.float64)) for arm in (control, treatment))
    ties = _tie_sizes(below, above)
    if ties.size == 1:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail="all units of both arms have the same value, so no rank tells a difference from chance",
        )
    beaten, lost = _shares_below(above, below), 1 - _shares_below(below, above)
    superiority = float(beaten.mean())
    wins = superiority * below.size * above.size
    if min(below.size, above.size) <= EXACT_UNITS and ties.max() == 1:
        p_value, test = _exact_p(wins, below.size, above.size), "exact Mann-Whitney"
    else:
        p_value, test = _normal_p(wins, below.size, above.size, ties), "Mann-Whitney"
    return RankTest(
        p_value=p_value,
        superiority=superiority,
        interval=_interval(lost, beaten, confidence=confidence),
        confidence=confidence,
        method=f"{test}, Brunner-Munzel interval",
    )


def _tie_sizes(below: NDArray[np.float64], above: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many units share each value."""
    # A stable sort merges two sorted runs in one pass.
    values = np.sort(np.concatenate((below, above)), kind="stable")
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1], [True])))
    return np.diff(starts).astype(np.float64)


def _shares_below(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the other arm's units that each value exceeds, ties counting half; both arms sorted."""
    smaller = np.searchsorted(others, values, side="left")
    not_larger = np.searchsorted(others, values, side="right")
    return (smaller + not_larger) / (2 * others.size)


def _exact_p(wins: float, n: int, m: int) -> float:
    """Chance of so many wins or more, or so few or fewer, when every order of the units is equally likely."""
    fewest = round(min(wins, n * m - wins))
    # Orders with 0, 1, ..., `fewest` wins: the coefficients of prod (1 - q^(m+i)) / (1 - q^i), i = 1 ... n,
    # of which only the low powers are needed. Whole numbers all along, so doubles lose nothing that matters.
    n, m = min(n, m), max(n, m)
    orders = np.zeros(fewest + 1)
    orders[0] = 1.0
    for i in range(1, n + 1):
        times = orders.copy()
        times[m + i :] -= orders[: max(fewest + 1 - m - i, 0)]
        for start in range(min(i, times.size)):
            times[start::i] = np.cumsum(times[start::i])
        orders = times
    return min(2 * float(orders.sum()) / math.comb(n + m, n), 1.0)


def _normal_p(wins: float, n: int, m: int, ties: NDArray[np.float64]) -> float:
    total = n + m
    correction = float(np.sum(ties * (ties * ties - 1))) / (total * (total - 1))
    sd = math.sqrt(n * m / 12 * (total + 1 - correction))
    distance = max(abs(wins - n * m / 2) - 0.5, 0.0)
    return 2 * normal_sf(distance / sd)


def _interval(
    lost: NDArray[np.float64], beaten: NDArray[np.float64], *, confidence: float
) -> tuple[float, float] | Unavailable:
    """The superiority is the mean over either arm's units; both vary, and both add their variance."""
    of_control, of_treatment = moments_of(lost), moments_of(beaten)
    found = Contrast(
        value=of_treatment.mean,
        var_control=variance_of_mean(of_control),
        var_treatment=variance_of_mean(of_treatment),
        n_control=of_control.n,
        n_treatment=of_treatment.n,
    ).estimate(confidence=confidence, method="")
    match found:
        case Estimate():
            return max(found.lower, 0.0), min(found.upper, 1.0)
        case Unavailable():
            return Unavailable(
                reason=UnavailableReason.NO_VARIANCE,
                detail="every unit of one arm is above every unit of the other; more units are needed to say "
                "how rarely that fails",
            )
