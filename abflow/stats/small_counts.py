"""Exact tests of two rates that do not fix the number of events: Boschloo's and Barnard's.

The largest chance over all common rates is looked for on a grid that cannot miss a peak. scipy's optimiser does:
`scipy.stats.barnard_exact` says 0.067 where the chance is 0.121 (1 of 21 against 11 of 55, one-sided).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from abflow.stats.moments import Moments
from abflow.stats.proportions import Alternative, RateTest, pooled_z_test, successes_of
from abflow.stats.result import Unavailable, UnavailableReason

# All (n + 1)(m + 1) tables are visited at every trial rate; a hundred thousand, some 300 units per arm, take a
# second, and with more units the z test or Fisher's says the same.
MAX_TABLES = 100_000
# Points per degree of the polynomial that the chance is in the common rate. At angles this close together it cannot
# exceed the largest of them by more than 1 / cos(π / 8), 8 %; peaks that come so close are climbed.
PER_DEGREE = 4
WITHIN = 0.9
SAME = 1e-9  # relative: tables whose order differs by less than this are equally extreme


def boschloo_test(
    control: Moments, treatment: Moments, *, alternative: Alternative = "two-sided"
) -> RateTest | Unavailable:
    """Do two rates differ? Exact for any counts, and never weaker than Fisher's test on the same side.

    Tables are ordered by Fisher's one-sided p-value, and the common rate is the least favourable one.
    Two-sided, it is twice the smaller one-sided p-value.

    One-sided, the largest P(Fisher's p-value ≤ the one seen) over all common rates.

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        alternative: What a small p-value shows: any difference, or a higher or lower treatment rate.

    References:
        Boschloo (1970), Statistica Neerlandica 24(1).
    """
    ready = _ready(control, treatment)
    if isinstance(ready, Unavailable):
        return ready
    if alternative == "two-sided":
        p_value = 2 * min(_boschloo(control, treatment, higher=higher) for higher in (True, False))
    else:
        p_value = _boschloo(control, treatment, higher=alternative == "greater")
    return RateTest(z=ready.z, p_value=min(p_value, 1.0), alternative=alternative, method="Boschloo's exact")


def barnard_test(
    control: Moments, treatment: Moments, *, alternative: Alternative = "two-sided"
) -> RateTest | Unavailable:
    """Do two rates differ? Exact for any counts, with tables ordered by the pooled z.

    The common rate is the least favourable one. Two-sided, it counts tables whose z is as large in size: the largest
    P(abs(Z) ≥ abs(z)) over all common rates, Z being that of `pooled_z_test`.

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        alternative: What a small p-value shows: any difference, or a higher or lower treatment rate.

    References:
        Barnard (1947), Biometrika 34, 123-138; Suissa, Shuster (1985), JRSS A 148, 317-327.
    """
    ready = _ready(control, treatment)
    if isinstance(ready, Unavailable):
        return ready
    order = _pooled_z(control.n, treatment.n)
    if alternative == "less":
        order = -order
    elif alternative == "two-sided":
        order = np.abs(order)
    seen = _at(order, control, treatment)
    p_value = _largest_chance(order >= seen - SAME * abs(seen))
    return RateTest(z=ready.z, p_value=p_value, alternative=alternative, method="Barnard's exact")


def _ready(control: Moments, treatment: Moments) -> RateTest | Unavailable:
    test = pooled_z_test(control, treatment)
    if not isinstance(test, Unavailable) and (control.n + 1) * (treatment.n + 1) > MAX_TABLES:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"{control.n} and {treatment.n} units are too many tables to visit; this test is for small "
            "counts, take the z test or Fisher's",
        )
    return test


def _boschloo(control: Moments, treatment: Moments, *, higher: bool) -> float:
    """One-sided: the largest chance of a table whose one-sided Fisher p-value is as small."""
    fisher = _fisher(control.n, treatment.n, higher=higher)
    return _largest_chance(fisher <= _at(fisher, control, treatment) * (1 + SAME))


def _pooled_z(n: int, m: int) -> NDArray[np.float64]:
    """Of every table, one row per count of the control; 0 where nobody or everybody has the event."""
    control, treatment = np.arange(n + 1)[:, None], np.arange(m + 1)[None, :]
    pooled = (control + treatment) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    difference = (treatment * n - control * m) / (n * m)  # whole numbers first: equal rates differ by exactly 0
    return np.divide(difference, np.sqrt(variance), out=np.zeros_like(difference), where=variance > 0)


def _fisher(n: int, m: int, *, higher: bool) -> NDArray[np.float64]:
    """Of every table the one-sided p-value that the treatment's rate is the higher, or the lower one."""
    from scipy import stats

    control, treatment = np.arange(n + 1)[:, None], np.arange(m + 1)[None, :]
    events = control + treatment
    if higher:
        return np.asarray(stats.hypergeom.sf(treatment - 1, n + m, events, m), dtype=np.float64)
    return np.asarray(stats.hypergeom.cdf(treatment, n + m, events, m), dtype=np.float64)


def _largest_chance(extreme: NDArray[np.bool_]) -> float:
    """The largest chance, over all common rates, of one of some tables: one row per count of the control."""
    from scipy import optimize, stats

    n, m = (size - 1 for size in extreme.shape)
    tables = extreme.astype(np.float64)

    def chance(rates: NDArray[np.float64]) -> NDArray[np.float64]:
        control = stats.binom.pmf(np.arange(n + 1), n, rates[:, None])
        treatment = stats.binom.pmf(np.arange(m + 1), m, rates[:, None])
        return np.asarray(((control @ tables) * treatment).sum(axis=1))

    angles = np.linspace(0, np.pi, PER_DEGREE * (n + m) + 1)
    found = chance((1 - np.cos(angles)) / 2)
    beside = np.pad(found, 1, constant_values=-1.0)
    peaks = (found >= beside[:-2]) & (found >= beside[2:]) & (found >= WITHIN * found.max())
    best = float(found.max())
    for peak in np.flatnonzero(peaks).tolist():
        climbed = optimize.minimize_scalar(
            lambda angle: -float(chance(np.array([(1 - np.cos(angle)) / 2]))[0]),
            bounds=(float(angles[max(peak - 1, 0)]), float(angles[min(peak + 1, len(angles) - 1)])),
            method="bounded",
            options={"xatol": 1e-9},
        )
        best = max(best, -float(climbed.fun))
    return min(best, 1.0)


def _at(order: NDArray[np.float64], control: Moments, treatment: Moments) -> float:
    """What the table that was seen has."""
    return float(order[successes_of(control), successes_of(treatment)])
