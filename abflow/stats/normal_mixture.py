"""Robbins' normal mixture: a likelihood ratio against "no effect" that may be read at every look."""

from __future__ import annotations

import math

from abflow.errors import SpecError
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import tail_of


def normal_mixture_rho(variance: float, *, alpha: float) -> float:
    """The tuning that makes the two-sided bound tightest where the score has this variance.

    rho = v / (-2 ln α + ln(1 - 2 ln α)), in the unit of v.

    Args:
        variance: v, of the score at the size the test is tuned to.
        alpha: Two-sided error level.

    Raises:
        SpecError: The error level or the variance is impossible.

    References:
        Howard, Ramdas, McAuliffe, Sekhon (2021), Annals of Statistics 49, 1055-1080 (arXiv 1810.08240v9),
        proposition 3, in the closed form of the software that comes with it (confseq).
    """
    _check_alpha(alpha)
    if not 0 < variance < math.inf:
        raise SpecError(f"variance {variance:g} must be above 0 and finite; tune to a size the test will reach")
    twice = -2 * math.log(alpha)
    return variance / (twice + math.log1p(twice))


def log_mixture(score: float, variance: float, *, rho: float) -> float:
    """Log likelihood ratio of a normal mixture of effects over no effect: ln(rho / (v + rho)) / 2 + s² / (2 (v + rho)).

    Its exponential is 1 on average when there is no effect, and exceeds 1/alpha at any look with a chance of at
    most alpha.

    Args:
        score: s, a sum with mean 0 under no effect.
        variance: v, of that sum so far.
        rho: Precision of the mixing distribution, in units of `variance`.

    Raises:
        SpecError: The variance is below 0, or rho not above it.

    References:
        Robbins (1970), Annals of Mathematical Statistics 41, 1397-1409.
    """
    _check_scale(variance, rho)
    total = variance + rho
    return (math.log(rho / total) + score * score / total) / 2


def normal_mixture_bound(variance: float, *, alpha: float, rho: float) -> float:
    """How large abs(score) must be for the mixture to reach 1/alpha.

    sqrt((v + rho) ln((v + rho) / (rho α²)))

    Args:
        variance: v, of the score so far.
        alpha: Two-sided error level.
        rho: Precision of the mixing distribution, in units of `variance`.

    Raises:
        SpecError: The error level, variance or rho is impossible.

    References:
        Howard, Ramdas, McAuliffe, Sekhon (2021), Annals of Statistics 49, 1055-1080: the two-sided normal mixture,
        equation 14 and proposition 5 of arXiv 1810.08240v9.
    """
    _check_scale(variance, rho)
    _check_alpha(alpha)
    total = variance + rho
    return math.sqrt(total * (math.log(total / rho) - 2 * math.log(alpha)))


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise SpecError(f"alpha {alpha:g} must lie between 0 and 1; 0.05 is usual")


def _check_scale(variance: float, rho: float) -> None:
    if not (0 <= variance < math.inf and 0 < rho < math.inf):
        raise SpecError(f"variance {variance:g} must be 0 or more and rho {rho:g} above 0, both finite")


def mixing_sd(se: float, *, alpha: float) -> float:
    """Spread of the mixing distribution that makes the test sharpest once the effect has this standard error.

    sd = se sqrt(-2 ln α + ln(1 - 2 ln α)), which is `normal_mixture_rho` for effects.

    Args:
        se: Standard error that the test will reach, in the unit of the effect.
        alpha: Two-sided error level.

    Raises:
        SpecError: The error level is impossible, or the standard error not above 0.

    References:
        Those of `normal_mixture_rho`.
    """
    if not 0 < se < math.inf:
        raise SpecError(f"standard error {se:g} must be above 0 and finite; tune to the one the test will reach")
    return se / math.sqrt(normal_mixture_rho(1.0, alpha=alpha))


def always_valid_estimate(
    value: float, se: float, *, sd: float, confidence: float = 0.95, p_before: float = 1.0
) -> Estimate | Unavailable:
    """An effect with a p-value and an interval that hold however often somebody looks (mSPRT).

    The effect is tested against a normal mixture of effects around 0; the p-value is the smallest 1/Λ seen at any
    look, Λ = sqrt(se² / (se² + sd²)) exp(value² sd² / (2 se² (se² + sd²))). The interval is
    value ± se sqrt((1 + se²/sd²) ln((1 + sd²/se²) / α²)).

    Args:
        value: The effect's estimate from all units so far.
        se: Its standard error.
        sd: Spread of the effects mixed over, in the unit of `value`, chosen before the first look.
        confidence: Of the interval, at all looks together.
        p_before: The p-value of the look before; 1 at the first.

    Raises:
        SpecError: The confidence, the mixing sd or the p-value before is impossible.

    References:
        Johari, Koomen, Pekelis, Walsh (2022), Operations Research 70, 1806-1821 (arXiv 1512.04922v3).
    """
    alpha = 2 * tail_of(confidence, sides=2)
    if not (0 < sd < math.inf and 0 <= p_before <= 1):
        raise SpecError(f"mixing sd {sd:g} must be above 0 and the p-value before {p_before:g} between 0 and 1")
    if not (math.isfinite(value) and math.isfinite(se)):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail="the estimate or its error is infinite")
    if se <= 0:
        return Unavailable(reason=UnavailableReason.NO_VARIANCE, detail="the estimate has no spread")
    # The score is in units of sd, so that neither it nor its variance can overflow for tiny or huge effects.
    ratio = sd / se
    score, variance = value / se * ratio, ratio * ratio
    half = normal_mixture_bound(variance, alpha=alpha, rho=1.0) / variance * sd
    return Estimate(
        value=value,
        se=se,
        lower=value - half,
        upper=value + half,
        p_value=min(p_before, math.exp(min(-log_mixture(score, variance, rho=1.0), 0.0))),
        confidence=confidence,
        method="mixture sequential probability ratio test",
    )
