"""Wald's sequential probability ratio test: look every day, stop when one hypothesis has won."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from abflow.errors import DataError, SpecError
from abflow.stats.arrivals import apart
from abflow.stats.result import Unavailable, UnavailableReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where a log likelihood ratio ends a test.

    Attributes:
        accept: At or below this the null hypothesis has won: ln B.
        reject: At or above this the alternative has won: ln A.
    """

    accept: float
    reject: float


def wald_thresholds(*, alpha: float, beta: float) -> Thresholds:
    """Thresholds that keep both errors, up to what the last step overshoots.

    ln A = ln((1 - β) / α) and ln B = ln(β / (1 - α)).

    Args:
        alpha: Chance to reject a true null hypothesis, one-sided.
        beta: Chance to accept it when the alternative is true.

    Raises:
        SpecError: An error level is not above 0, or both together are not below 1.

    References:
        Wald (1945), Annals of Mathematical Statistics 16, 117-186, section 3.
    """
    if not (alpha > 0 and beta > 0 and alpha + beta < 1):
        raise SpecError(f"error levels {alpha:g} and {beta:g} must be above 0 and together below 1")
    return Thresholds(
        accept=math.log(beta) - math.log1p(-alpha),
        reject=math.log1p(-beta) - math.log(alpha),
    )


def log_likelihood_ratio(value: float, se: float, *, delta: float) -> float:
    """Log likelihood of a true effect `delta` over that of no effect, given an estimate and its error.

    delta (value - delta / 2) / se²

    Args:
        value: The estimate.
        se: Its standard error, above 0.
        delta: The effect, all three in one unit.

    References:
        Wald (1945), Annals of Mathematical Statistics 16, 117-186: the ratio of two normal likelihoods.
    """
    return (delta / se) * ((value - delta / 2) / se)


def bernoulli_log_likelihood_ratio(successes: int, n: int, *, p0: float, p1: float) -> float:
    """Log likelihood of a true rate `p1` over that of a rate `p0`, after counting; exact for any counts.

    k ln(p1 / p0) + (n - k) ln((1 - p1) / (1 - p0)), with k successes.

    Args:
        successes: Units with the event so far.
        n: Units so far.
        p0: Rate under the null hypothesis.
        p1: Rate under the alternative.

    Raises:
        DataError: The counts are impossible.
        SpecError: A rate is not between 0 and 1, or the two are the same.

    References:
        Wald (1947), Sequential Analysis, chapter 5.
    """
    if not 0 <= successes <= n:
        raise DataError(f"{successes} successes in {n} units; successes lie between 0 and the units")
    if not (0 < p0 < 1 and 0 < p1 < 1) or p0 == p1:
        raise SpecError(f"rates {p0:g} and {p1:g} must lie between 0 and 1 and differ")
    return successes * math.log(p1 / p0) + (n - successes) * (math.log1p(-p1) - math.log1p(-p0))


Crossed = Literal["better", "worse", "mde_excluded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SprtReading:
    """One look of a two-sided test between no effect and an effect worth detecting.

    Attributes:
        gain: Log likelihood ratio of an effect of +mde over none.
        loss: Log likelihood ratio of an effect of -mde over none.
        thresholds: Of both.
        crossed: What is shown, if anything; `worse` says more than `mde_excluded` and goes before it.
    """

    gain: float
    loss: float
    thresholds: Thresholds
    crossed: Crossed | None


def sprt_reading(value: float, se: float, *, mde: float, alpha: float, beta: float) -> SprtReading | Unavailable:
    """What an effect shows at this look of a daily test.

    Args:
        value: The effect's estimate from all units so far, plus meaning good.
        se: Its standard error.
        mde: The smallest effect worth detecting, above 0.
        alpha: Two-sided error level; each side has half of it.
        beta: Chance to miss an effect of mde.

    Raises:
        SpecError: An error level or the mde is impossible.

    References:
        Wald (1947), Sequential Analysis; the two-sided form as two one-sided tests, as in Armitage (1957),
        Biometrika 44, 9-26.
    """
    thresholds = _two_sided_thresholds(mde, alpha, beta)
    if not (math.isfinite(value) and math.isfinite(se)):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail="the estimate or its error is infinite")
    if se <= 0:
        return Unavailable(reason=UnavailableReason.NO_VARIANCE, detail="the estimate has no spread")
    gain = log_likelihood_ratio(value, se, delta=mde)
    loss = log_likelihood_ratio(value, se, delta=-mde)
    crossed: Crossed | None = None
    if gain >= thresholds.reject:
        crossed = "better"
    elif loss >= thresholds.reject:
        crossed = "worse"
    elif gain <= thresholds.accept:
        crossed = "mde_excluded"
    return SprtReading(gain=gain, loss=loss, thresholds=thresholds, crossed=crossed)


def _two_sided_thresholds(mde: float, alpha: float, beta: float) -> Thresholds:
    if not 0 < mde < math.inf:
        raise SpecError(f"mde {mde:g} must be a number above 0, in the direction that is good")
    return wald_thresholds(alpha=alpha / 2, beta=beta)


def sprt_bounds(
    fractions: Sequence[float], *, drift: float, alpha: float, beta: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The same test as lower and upper bounds of Z, for `crossing_probabilities` to plan with.

    With δ = drift sqrt(fraction): upper = ln A / δ + δ/2, lower = ln B / δ + δ/2 but not below -upper.

    A run ends below the lower bound for either reason: it is worse, or an effect of mde is excluded.

    Args:
        fractions: Information at each look as a share of the plan.
        drift: The mde in standard errors at information 1.
        alpha: Two-sided error level.
        beta: Chance to miss an effect of mde, if the test is never cut short.

    Returns:
        Lower and upper bounds of Z, one each per look.

    Raises:
        SpecError: An error level is impossible, or the fractions do not increase.

    References:
        Wald (1947), Sequential Analysis.
    """
    thresholds = _two_sided_thresholds(drift, alpha, beta)
    # gain = delta·Z - delta²/2, delta being the mde in standard errors of the look.
    deltas = [drift * math.sqrt(fraction) for fraction in apart(fractions)]
    upper = tuple(thresholds.reject / delta + delta / 2 for delta in deltas)
    lower = tuple(max(-up, thresholds.accept / delta + delta / 2) for up, delta in zip(upper, deltas, strict=True))
    return lower, upper
