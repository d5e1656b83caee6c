"""Did units arrive in the arms in the planned shares? Sample-ratio tests, at the end and at every look."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abflow.errors import DataError, SpecError
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import chi_square_sf

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

    Pearson's chi-square Σ (n_i - n s_i)² / (n s_i), s being the planned shares; when an arm expects fewer than 5
    units, the exact multinomial test, which adds up every table at most as probable as the one seen. Too many
    tables are replaced by 100 000 simulated ones; the seed is fixed, so that the same counts give the same answer.

    Args:
        counts: Units by arm; an arm that is not named has 0.
        shares: Planned relative shares by arm; they need not add up to 1.

    Returns:
        The test; or `no_units`, or `method_not_valid_here` with fewer than two arms to test, or with units
        in an arm without a share, which no ratio explains.

    Raises:
        DataError: A count is negative or not whole.
        SpecError: A share is negative or not finite.

    References:
        Pearson (1900), Philosophical Magazine 50, 157-175; Fabijan et al. (2019), KDD, 2156-2164, on sample ratios.
    """
    arms = planned_counts(counts, shares)
    return arms if isinstance(arms, Unavailable) else ratio_test(arms)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCounts:
    """Units of the arms that can be tested, beside their planned shares.

    Attributes:
        names: Arms with a planned share, sorted.
        counts: Shape (arms,).
        shares: Shape (arms,); all above 0, adding up to 1.
    """

    names: tuple[str, ...]
    counts: NDArray[np.float64]
    shares: NDArray[np.float64]

    @property
    def total(self) -> int:
        """Units in all arms."""
        return int(self.counts.sum())

    @property
    def expected(self) -> NDArray[np.float64]:
        """Units that the plan expects, shape (arms,)."""
        return self.shares * self.total

    @property
    def chi_square(self) -> float:
        """Pearson's statistic."""
        return float(np.sum((self.counts - self.expected) ** 2 / self.expected))

    def log_probability(self, tables: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        """Log of the probability n! ∏ s_i^n_i / n_i! under the plan, of tables of as many units, shape (..., arms)."""
        from scipy import special

        each = tables * np.log(self.shares) - special.gammaln(tables + 1)
        return np.asarray(special.gammaln(self.total + 1) + np.sum(each, axis=-1))


def planned_counts(counts: Mapping[str, int], shares: Mapping[str, float]) -> PlannedCounts | Unavailable:
    """The arms that can be tested, or why there is nothing to test; see `sample_ratio`.

    Raises:
        DataError: A count is negative or not whole.
        SpecError: A share is negative or not finite.
    """
    for arm, count in counts.items():
        if not (math.isfinite(count) and count >= 0 and count == int(count)):
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
    return PlannedCounts(
        names=names,
        counts=np.array([counts.get(arm, 0) for arm in names], dtype=np.float64),
        shares=weights / weights.sum(),
    )


def ratio_test(arms: PlannedCounts) -> SampleRatio:
    """The sample-ratio test of arms that can be tested; see `sample_ratio`.

    References:
        Those of `sample_ratio`.
    """
    dof = len(arms.names) - 1
    if arms.expected.min() >= MIN_EXPECTED:
        p_value, method = chi_square_sf(arms.chi_square, dof), "chi-square"
    elif math.comb(arms.total + dof, dof) <= MAX_TABLES:
        p_value, method = _exact_p(arms), "exact multinomial"
    else:
        p_value, method = simulated_p([arms]), f"multinomial, {DRAWS} simulated tables"
    return SampleRatio(
        statistic=arms.chi_square,
        dof=dof,
        p_value=p_value,
        expected=dict(zip(arms.names, arms.expected.tolist(), strict=True)),
        method=method,
    )


def _exact_p(arms: PlannedCounts) -> float:
    """Probability of all tables that are at most as probable as the one seen."""
    from scipy import special

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
    return min(float(np.exp(log_p[log_p <= _as_probable_as([arms])]).sum()), 1.0)


def simulated_p(periods: Sequence[PlannedCounts]) -> float:
    """Share of simulated tables at most as probable as those seen, which are counted among them.

    (1 + tables at most as probable) / (1 + 100 000)

    Args:
        periods: Independent tables, such as those of several days, which are judged together.

    References:
        Phipson, Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9, article 39.
    """
    rng = np.random.default_rng(0)
    log_p = sum(arms.log_probability(rng.multinomial(arms.total, arms.shares, size=DRAWS)) for arms in periods)
    return float((1 + np.count_nonzero(log_p <= _as_probable_as(periods))) / (1 + DRAWS))


def _as_probable_as(periods: Sequence[PlannedCounts]) -> float:
    # Equally probable tables come out a rounding apart; a part in 10^7 keeps them together.
    return sum(float(arms.log_probability(arms.counts)) for arms in periods) + 1e-7


def sequential_sample_ratio(
    counts: Mapping[str, int], shares: Mapping[str, float], *, prior_mass: float
) -> float | Unavailable:
    """Log e-value against the planned shares, valid at every look.

    E = Γ(c) / Γ(c + n) ∏ Γ(c s_i + n_i) / (Γ(c s_i) s_i^n_i), with n_i of n units in arm i, shares s and prior mass c.
    Exceeding ln(1000) at any time happens with probability at most 1 in 1000 when the split is as planned.

    Args:
        counts: Units by arm so far, in all.
        shares: Planned relative shares by arm.
        prior_mass: How close to the plan a wrong split is expected to be, in units; larger is closer.

    Raises:
        DataError: A count is negative or not whole.
        SpecError: A share is negative or not finite, or the prior mass not above 0.

    References:
        Lindon, Malek (2022), NeurIPS 35 (arXiv 2011.03567), section 2: the Bayes factor of a Dirichlet prior.
    """
    if not (math.isfinite(prior_mass) and prior_mass > 0):
        raise SpecError(f"prior mass {prior_mass:g} is not a positive number; 100 is a common choice")
    arms = planned_counts(counts, shares)
    return arms if isinstance(arms, Unavailable) else _log_e(arms, prior_mass)


def _log_e(arms: PlannedCounts, prior_mass: float) -> float:
    # math.lgamma, because a daily look should not have to load scipy.
    counts, shares = arms.counts.tolist(), arms.shares.tolist()
    log_e = math.lgamma(prior_mass) - math.lgamma(prior_mass + sum(counts))
    for count, share in zip(counts, shares, strict=True):
        prior = prior_mass * share
        log_e += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return log_e


def mixture_log_e(counts: Mapping[str, int], shares: Mapping[str, float]) -> float | Unavailable:
    """Log of the mean e-value over prior masses from 10 to 100 000, so that none has to be chosen.

    ln(Σ E_c / 5) for c = 10, 100, 1 000, 10 000, 100 000, with the E of `sequential_sample_ratio`.

    Args:
        counts: Units by arm so far, in all.
        shares: Planned relative shares by arm.

    Raises:
        DataError: A count is negative or not whole.
        SpecError: A share is negative or not finite.

    References:
        Lindon, Malek (2022), NeurIPS 35 (arXiv 2011.03567), section 2; Vovk, Wang (2021), Annals of Statistics 49,
        1736-1754, section 3, on means of e-values.
    """
    arms = planned_counts(counts, shares)
    if isinstance(arms, Unavailable):
        return arms
    logs = [_log_e(arms, mass) for mass in PRIOR_MASSES]
    largest = max(logs)
    return largest + math.log(sum(math.exp(log_e - largest) for log_e in logs) / len(logs))
