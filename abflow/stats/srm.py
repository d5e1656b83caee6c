"""Did units arrive in the arms in the planned shares? Sample-ratio tests, at the end and at every look."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abflow.errors import DataError, SpecError
from abflow.stats.result import Unavailable, UnavailableReason

# Cochran's rule: below 5 expected units the chi-square distribution is not trusted.
MIN_EXPECTED = 5
# Tables to enumerate before simulation takes over; a million take about 0.1 s.
MAX_TABLES = 1_000_000
DRAWS = 100_000
# Prior masses from "almost anything may happen" to "the split is known to a third of a percent".
PRIOR_MASSES = (10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRatio:
    """How far the arms' counts are from the planned shares.

    Attributes:
        statistic: Pearson's chi-square, whichever test gave the p-value.
        dof: Arms tested minus 1.
        p_value: Of the planned shares.
        expected: Units expected per arm tested.
        method: Name of the test.
    """

    statistic: float
    dof: int
    p_value: float
    expected: Mapping[str, float]
    method: str


def sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float]) -> SampleRatio | Unavailable:
    """Test the arms' unit counts against their planned shares, once.

    Pearson's chi-square; when an arm expects fewer than 5 units, the exact multinomial test, which adds up
    every table at most as probable as the one seen. Too many tables are replaced by 100 000 simulated ones;
    the seed is fixed, so that the same counts give the same answer.

    Args:
        counts: Units by arm; an arm that is not named has 0.
        shares: Planned relative shares by arm; they need not add up to 1.

    Returns:
        The test; or `no_units`, or `method_not_valid_here` with fewer than two arms to test, or with units
        in an arm without a share, which no ratio explains.

    Raises:
        DataError: A count is negative or not whole.
        SpecError: A share is negative or not finite.
    """
    arms = _arms(counts, shares)
    if isinstance(arms, Unavailable):
        return arms
    expected = arms.shares * arms.total
    statistic = float(np.sum((arms.counts - expected) ** 2 / expected))
    dof = len(arms.names) - 1
    if expected.min() >= MIN_EXPECTED:
        p_value, method = _chi_square_sf(statistic, dof), "chi-square"
    elif math.comb(arms.total + dof, dof) <= MAX_TABLES:
        p_value, method = _exact_p(arms), "exact multinomial"
    else:
        p_value, method = _simulated_p(arms), f"multinomial, {DRAWS} simulated tables"
    return SampleRatio(
        statistic=statistic,
        dof=dof,
        p_value=p_value,
        expected=dict(zip(arms.names, expected.tolist(), strict=True)),
        method=method,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arms:
    """The arms that can be tested, in the order of their names."""

    names: tuple[str, ...]
    counts: NDArray[np.float64]
    shares: NDArray[np.float64]

    @property
    def total(self) -> int:
        return int(self.counts.sum())


def _arms(counts: Mapping[str, int], shares: Mapping[str, float]) -> _Arms | Unavailable:
    for arm, count in counts.items():
        if count < 0 or count != int(count):
            raise DataError(f"arm {arm!r} has {count} units; a count is a whole number of 0 or more")
    for arm, share in shares.items():
        if not (math.isfinite(share) and share >= 0):
            raise SpecError(f"arm {arm!r} has the planned share {share}; give a number of 0 or more")
    unplanned = sorted(arm for arm, count in counts.items() if count > 0 and not shares.get(arm))
    if unplanned:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"units in arms without a planned share ({', '.join(unplanned)}); no ratio explains them",
        )
    names = tuple(sorted(arm for arm, share in shares.items() if share > 0))
    if len(names) < 2:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"a ratio needs two arms with a planned share, got {len(names)}",
        )
    if not any(counts.values()):
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="no arm has any unit yet")
    weights = np.array([shares[arm] for arm in names], dtype=np.float64)
    return _Arms(
        names=names,
        counts=np.array([counts.get(arm, 0) for arm in names], dtype=np.float64),
        shares=weights / weights.sum(),
    )


def _chi_square_sf(statistic: float, dof: int) -> float:
    return float(special.chdtrc(dof, statistic))


def _exact_p(arms: _Arms) -> float:
    """Probability of all tables that are at most as probable as the one seen."""
    log_shares = np.log(arms.shares)
    left = np.array([arms.total])
    log_p = np.array([special.gammaln(arms.total + 1)])
    for log_share in log_shares[:-1]:
        # Every table so far branches into 0, 1, ..., `left` units of this arm.
        width = left + 1
        units = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width)
        log_p = np.repeat(log_p, width) + units * log_share - special.gammaln(units + 1)
        left = np.repeat(left, width) - units
    log_p = log_p + left * log_shares[-1] - special.gammaln(left + 1)
    return min(float(np.exp(log_p[log_p <= _as_probable_as(arms)]).sum()), 1.0)


def _simulated_p(arms: _Arms) -> float:
    """Share of simulated tables at most as probable as the one seen, which is counted among them."""
    tables = np.random.default_rng(0).multinomial(arms.total, arms.shares, size=DRAWS)
    kernel = special.gammaln(arms.total + 1) + np.sum(
        tables * np.log(arms.shares) - special.gammaln(tables + 1), axis=1
    )
    return float((1 + np.count_nonzero(kernel <= _as_probable_as(arms))) / (1 + DRAWS))


def _as_probable_as(arms: _Arms) -> float:
    seen = special.gammaln(arms.total + 1) + np.sum(
        arms.counts * np.log(arms.shares) - special.gammaln(arms.counts + 1)
    )
    # Equally probable tables come out a rounding apart; a part in 10^7 keeps them together.
    return float(seen) + 1e-7


def sequential_sample_ratio(
    counts: Mapping[str, int], shares: Mapping[str, float], *, prior_mass: float
) -> float | Unavailable:
    """Log e-value against the planned shares, valid at every look.

    Exceeding ln(1000) at any time happens with probability at most 1 in 1000 when the split is as planned.

    Args:
        counts: Units by arm so far, in all.
        shares: Planned relative shares by arm.
        prior_mass: How close to the plan a wrong split is expected to be; larger is closer.

    References:
        Lindon, Malek (2022), NeurIPS 35 (arXiv 2011.03567): the Bayes factor of a Dirichlet prior.
    """
    if not (math.isfinite(prior_mass) and prior_mass > 0):
        raise SpecError(f"prior mass {prior_mass:g} is not a positive number; 100 is a common choice")
    arms = _arms(counts, shares)
    return arms if isinstance(arms, Unavailable) else _log_e(arms, prior_mass)


def _log_e(arms: _Arms, prior_mass: float) -> float:
    prior = prior_mass * arms.shares
    gained = np.sum(special.gammaln(prior + arms.counts) - special.gammaln(prior))
    spent = special.gammaln(prior_mass + arms.total) - special.gammaln(prior_mass)
    return float(gained - spent - np.sum(arms.counts * np.log(arms.shares)))


def mixture_log_e(counts: Mapping[str, int], shares: Mapping[str, float]) -> float | Unavailable:
    """Log of the mean e-value over prior masses from 10 to 100 000, so that none has to be chosen."""
    arms = _arms(counts, shares)
    if isinstance(arms, Unavailable):
        return arms
    logs = np.array([_log_e(arms, mass) for mass in PRIOR_MASSES])
    return float(np.logaddexp.reduce(logs) - math.log(len(logs)))
