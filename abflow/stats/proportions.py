"""Differences of proportions: shares of units with an event."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from abflow.errors import DataError, SpecError
from abflow.stats.contrast import why_not_comparable
from abflow.stats.moments import Moments
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, normal_sf, tail_of

# Cochran's rule: below 5 expected units in a cell the normal approximation of the pooled test is not trusted.
MIN_EXPECTED = 5
# One unit shows no rate: whatever it did, its arm would be one in which all did, or nobody.
MIN_UNITS = 2
# A table per number of events; so many take a second and half a gigabyte, and z says the same long before.
MAX_TABLES = 10_000_000

Alternative = Literal["two-sided", "greater", "less"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTest:
    """How surprising two rates are if they are the same.

    Attributes:
        z: The difference over its pooled standard error, whichever test gave the p-value.
        p_value: Of equal rates; one-sided, of a treatment rate that is not higher (not lower).
        alternative: What is shown by a small p-value: any difference, a higher or a lower treatment rate.
        method: Name of the test.
    """

    z: float
    p_value: float
    alternative: Alternative
    method: str


def difference_in_proportions(
    control: Moments, treatment: Moments, *, confidence: float = 0.95
) -> Estimate | Unavailable:
    """Treatment rate minus control rate, with a pooled z test and Newcombe's interval.

    When a cell of the 2x2 table expects fewer than 5 units under the pooled rate, the p-value is Fisher's.
    The effect is p_t - p_c, a difference of probabilities. The p-value and the interval answer by different formulas
    and can disagree within a hair of the border.

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        confidence: Coverage of the interval.

    Returns:
        An estimate whose `se` is unpooled, and 0 where all units of one arm and none of the other had the event;
        or `no_variance` when no unit, or every unit, of both had it; or `too_few_units` with one unit in an arm.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Those of `pooled_z_test`, `fisher_test` and `newcombe_interval`.
    """
    z = normal_isf(tail_of(confidence, sides=2))
    test = pooled_z_test(control, treatment)
    if isinstance(test, Unavailable):
        return test
    if expects_few(control, treatment):
        test = _fisher(control, treatment, test.z, "two-sided")
    lower, upper = hybrid_score_bounds(control, treatment, weight_control=1, weight_treatment=1, z=z)
    return Estimate(
        value=_rate(treatment) - _rate(control),
        se=unpooled_se(control, treatment),
        lower=lower,
        upper=upper,
        p_value=test.p_value,
        confidence=confidence,
        method=f"{test.method}, Newcombe interval",
    )


def pooled_z_test(
    control: Moments, treatment: Moments, *, alternative: Alternative = "two-sided"
) -> RateTest | Unavailable:
    """Do two rates differ? The difference over the standard error that one common rate would give.

    Z = (p_t - p_c) / sqrt(p (1 - p) (1/n_c + 1/n_t)), p being the events over the units of both arms. Two-sided,
    its square is Pearson's chi-square of the 2x2 table, without continuity correction.

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        alternative: What a small p-value shows: any difference, or a higher or lower treatment rate.

    Raises:
        SpecError: The alternative is none of the three.

    References:
        Fleiss, Levin, Paik (2003), Statistical Methods for Rates and Proportions, chapter 3.
    """
    if alternative not in get_args(Alternative):
        raise SpecError(f"alternative {alternative!r} is none; write one of {', '.join(get_args(Alternative))}")
    refusal = why_not_rates(control, treatment)
    if refusal is not None:
        return refusal
    pooled = (successes_of(control) + successes_of(treatment)) / (control.n + treatment.n)
    if pooled in (0, 1):
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail=f"{'no' if pooled == 0 else 'every'} unit of both arms had the event, so nothing tells a "
            "difference from chance",
        )
    se = math.sqrt(pooled * (1 - pooled) * (1 / control.n + 1 / treatment.n))
    z = (_rate(treatment) - _rate(control)) / se
    p_values = {"two-sided": 2 * normal_sf(abs(z)), "greater": normal_sf(z), "less": normal_sf(-z)}
    return RateTest(z=z, p_value=p_values[alternative], alternative=alternative, method="pooled z")


def expects_few(control: Moments, treatment: Moments) -> bool:
    """Whether a cell of the 2x2 table expects fewer than 5 units under the pooled rate, too few for z.

    min(n_c, n_t) min(k, n - k) / n < 5, with k events among the n units of both arms.

    References:
        Cochran (1954), Biometrics 10, 417-451, on the smallest expectations.
    """
    units, successes = control.n + treatment.n, successes_of(control) + successes_of(treatment)
    # In whole numbers, so that a cell of exactly 5 is not small for successes and large for failures.
    return min(control.n, treatment.n) * min(successes, units - successes) < MIN_EXPECTED * units


def fisher_test(
    control: Moments, treatment: Moments, *, alternative: Alternative = "two-sided"
) -> RateTest | Unavailable:
    """Do two rates differ? Exact for any counts, given how many units of both arms had the event.

    P(k events in the treatment) = C(n_t, k) C(n_c, K - k) / C(n_c + n_t, K), K being the events of both arms.
    Two-sided, it adds up every table at most as probable as the one seen. More than ten million tables are refused.

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        alternative: What a small p-value shows: any difference, or a higher or lower treatment rate.

    Raises:
        SpecError: The alternative is none of the three.

    References:
        Fisher (1934), Statistical Methods for Research Workers (fifth edition), section 21.02.
    """
    pooled = pooled_z_test(control, treatment, alternative=alternative)
    if isinstance(pooled, Unavailable):
        return pooled
    fewest, most = _treatment_successes(control, treatment)
    if most - fewest > MAX_TABLES:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"{most - fewest + 1} tables are too many to add up; take the z test, which says the same here",
        )
    return _fisher(control, treatment, pooled.z, alternative)


def _treatment_successes(control: Moments, treatment: Moments) -> tuple[int, int]:
    """Fewest and most units of the treatment that can have the event, given how many of both arms had it."""
    successes = successes_of(control) + successes_of(treatment)
    return max(0, successes - control.n), min(treatment.n, successes)


def _fisher(control: Moments, treatment: Moments, z: float, alternative: Alternative) -> RateTest:
    successes = successes_of(control) + successes_of(treatment)
    fewest, most = _treatment_successes(control, treatment)
    # From k successes in the treatment to k + 1 a table's probability grows by the ratio of its binomials.
    k = np.arange(fewest, most, dtype=np.float64)
    growth = (treatment.n - k) / (k + 1) * (successes - k) / (control.n - successes + k + 1)
    log_p = np.concatenate([[0.0], np.cumsum(np.log(growth))])
    seen = successes_of(treatment) - fewest
    p = np.exp(log_p - log_p.max())
    if alternative == "greater":
        counted = p[seen:]
    elif alternative == "less":
        counted = p[: seen + 1]
    else:
        # Equally probable tables come out a rounding apart; a part in 10^7 keeps them together.
        counted = p[log_p <= log_p[seen] + 1e-7]
    p_value = min(float(counted.sum() / p.sum()), 1.0)
    return RateTest(z=z, p_value=p_value, alternative=alternative, method="Fisher's exact")


def why_not_rates(control: Moments, treatment: Moments) -> Unavailable | None:
    """Why two arms cannot be compared as rates, or None when they can."""
    refusal = why_not_comparable(control, treatment, min_units=MIN_UNITS)
    if refusal is not None:
        return refusal
    for name, arm in (("control", control), ("treatment", treatment)):
        if not -1e-9 <= arm.mean <= 1 + 1e-9:
            return Unavailable(
                reason=UnavailableReason.METHOD_NOT_VALID_HERE,
                detail=f"{name} has mean {arm.mean:g}, which is no rate; a proportion counts 0 or 1 per unit",
            )
    return None


def successes_of(arm: Moments) -> int:
    """Units with the event."""
    return round(arm.n * arm.mean)


def _rate(arm: Moments) -> float:
    return successes_of(arm) / arm.n


def unpooled_se(control: Moments, treatment: Moments) -> float:
    """Standard error of the difference in rates, each arm with its own rate; 0 when both are constant.

    sqrt(p_c (1 - p_c) / n_c + p_t (1 - p_t) / n_t)

    References:
        Newcombe (1998), Statistics in Medicine 17, 873-890, method 1.
    """
    return math.sqrt(sum(_rate(arm) * (1 - _rate(arm)) / arm.n for arm in (control, treatment)))


def wald_interval(
    control: Moments, treatment: Moments, *, confidence: float = 0.95
) -> tuple[float, float] | Unavailable:
    """Rate difference plus or minus z standard errors: too narrow with few events, shown on request.

    p_t - p_c ± z sqrt(p_c (1 - p_c) / n_c + p_t (1 - p_t) / n_t)

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        confidence: Coverage of the interval.

    Returns:
        Lower and upper end; or why the arms cannot be compared, `no_variance` when nothing varies in either, where
        the interval would have width 0.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Newcombe (1998), Statistics in Medicine 17, 873-890, method 1.
    """
    z = normal_isf(tail_of(confidence, sides=2))
    refusal = why_not_rates(control, treatment)
    if refusal is not None:
        return refusal
    value, half = _rate(treatment) - _rate(control), z * unpooled_se(control, treatment)
    if half == 0:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail="in each arm everybody had the event or nobody had, so Wald's interval has width 0; take Newcombe's",
        )
    return value - half, value + half


def newcombe_interval(
    control: Moments, treatment: Moments, *, confidence: float = 0.95
) -> tuple[float, float] | Unavailable:
    """Interval of the rate difference from the Wilson intervals of both arms.

    With Wilson's l and u of each arm, and d = p_t - p_c: from d - sqrt((p_t - l_t)² + (u_c - p_c)²)
    to d + sqrt((u_t - p_t)² + (p_c - l_c)²).

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        confidence: Coverage of the interval.

    Returns:
        Lower and upper end; or why the arms cannot be compared.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Newcombe (1998), Statistics in Medicine 17, 873-890, method 10.
    """
    z = normal_isf(tail_of(confidence, sides=2))
    refusal = why_not_rates(control, treatment)
    if refusal is not None:
        return refusal
    return hybrid_score_bounds(control, treatment, weight_control=1, weight_treatment=1, z=z)


def hybrid_score_bounds(
    control: Moments, treatment: Moments, *, weight_control: float, weight_treatment: float, z: float
) -> tuple[float, float]:
    """Bounds of weight_treatment · treatment rate - weight_control · control rate.

    Each arm brings its distance from its rate to its Wilson bound on the side that matters, and the
    distances add as squares: lower = Σ w p - sqrt(Σ (w p - min(w l, w u))²), l and u being the Wilson bounds and the
    control's w negative. With weights 1 and 1 this is Newcombe's method 10.

    Args:
        control: Moments of one 0 or 1 per unit.
        treatment: The same of the other arm.
        weight_control: Any sign.
        weight_treatment: Any sign.
        z: Normal quantile of each bound, at least 0.

    References:
        Zou, Donner (2008), Statistics in Medicine 27, 1693-1702.
    """
    below = above = 0.0
    value = 0.0
    for arm, weight in ((treatment, weight_treatment), (control, -weight_control)):
        low, high = (weight * bound for bound in wilson_interval(successes_of(arm), arm.n, z=z))
        point = weight * _rate(arm)
        value += point
        below += (point - min(low, high)) ** 2
        above += (max(low, high) - point) ** 2
    return value - math.sqrt(below), value + math.sqrt(above)


def wilson_interval(successes: int, n: int, *, z: float) -> tuple[float, float]:
    """Bounds of one rate, each at the normal quantile `z`.

    (p + z²/2n ± z sqrt(p (1 - p)/n + z²/4n²)) / (1 + z²/n), p being successes / n.

    Args:
        successes: Units with the event.
        n: Units in all.
        z: Normal quantile of each bound, such as 1.96.

    Raises:
        DataError: There are no units, or more successes than units.

    References:
        Wilson (1927), JASA 22, 209-212.
    """
    if not 0 <= successes <= n or n == 0:
        raise DataError(f"{successes} successes in {n} units; give 1 unit or more and at most n successes")
    rate, z2 = successes / n, z * z
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = z * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At 0 and n successes a bound is the rate itself, where rounding would put it a hair outside.
    lower = 0.0 if successes == 0 else centre - half
    upper = 1.0 if successes == n else centre + half
    return lower, upper


def cohens_h(control_rate: float, treatment_rate: float) -> float:
    """Difference of two rates on the arcsine scale, plus when the treatment's is higher.

    h = 2 arcsin sqrt(p_t) - 2 arcsin sqrt(p_c), in radians.

    Args:
        control_rate: A probability.
        treatment_rate: The same of the other arm.

    Raises:
        DataError: A rate is not between 0 and 1.

    References:
        Cohen (1988), Statistical Power Analysis, section 6.2.
    """
    for rate in (control_rate, treatment_rate):
        if not 0 <= rate <= 1:
            raise DataError(f"rate {rate:g} is not between 0 and 1; give a share of units")
    return 2 * math.asin(math.sqrt(treatment_rate)) - 2 * math.asin(math.sqrt(control_rate))


def size_in_words(h: float) -> Literal["negligible", "small", "medium", "large"]:
    """Cohen's word for the size of an h: small from 0.2, medium from 0.5, large from 0.8 on.

    References:
        Cohen (1988), Statistical Power Analysis, section 6.2.
    """
    size = abs(h)
    if size < 0.2:
        return "negligible"
    if size < 0.5:
        return "small"
    return "medium" if size < 0.8 else "large"
