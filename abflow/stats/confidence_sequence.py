"""Intervals that stay right however often somebody looks: asymptotic confidence sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.errors import DataError, SpecError
from abflow.stats.result import Unavailable, UnavailableReason

# Before this many units an average is not yet normal enough for an asymptotic promise.
MIN_UNITS_PER_ARM = 100
MIN_NONZERO = 10
# A small arm's rare events are skewed, and nothing in a large arm cancels that: the squared skewness of their
# difference, (n - m)² / (n·m·nonzero), may be a twentieth. Up to twice as many units in one arm, 10 are enough.
NONZERO_FOR_SKEW = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceBounds:
    """Bounds that hold at all looks together.

    Attributes:
        value: The estimate at this look.
        two_sided: Lower and upper end that hold together at 1 - alpha.
        lower: One-sided lower bound at 1 - alpha.
        upper: One-sided upper bound at 1 - alpha.
        alpha: Chance that a bound of its kind is ever wrong.
    """

    value: float
    two_sided: tuple[float, float]
    lower: float
    upper: float
    alpha: float


def sequence_bounds(
    value: float,
    se: float,
    *,
    units: tuple[int, int],
    nonzero: int,
    planned: int,
    alpha: float,
) -> SequenceBounds | Unavailable:
    """Bounds of an effect that may be read at every look: value ± se times `two_sided_multiplier` or the one-sided.

    Args:
        value: The effect's estimate from all units so far.
        se: Its standard error.
        units: Units so far in control and treatment.
        nonzero: Units with a value other than 0, both arms together; at least 10, and more when one arm has more than
            twice the units of the other.
        planned: Units of both arms at the planned end, frozen before the first look.
        alpha: Chance of ever being wrong, of the interval and of each one-sided bound.

    Raises:
        SpecError: The error level or the planned units are impossible.

    References:
        Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Annals of Statistics 52, 2613-2640; arXiv 2103.06476v9,
        theorem 2.2.
    """
    needed = _needed_nonzero(*units)
    if min(units) < MIN_UNITS_PER_ARM or nonzero < needed:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"{units[0]} and {units[1]} units with {nonzero} values other than 0; a confidence "
            f"sequence starts at {MIN_UNITS_PER_ARM} per arm and {needed}",
        )
    if not (math.isfinite(value) and math.isfinite(se)):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail="the estimate or its error is infinite")
    if se <= 0:
        return Unavailable(reason=UnavailableReason.NO_VARIANCE, detail="the estimate has no spread")
    both = se * two_sided_multiplier(sum(units), alpha=alpha, planned=planned)
    one = se * one_sided_multiplier(sum(units), alpha=alpha, planned=planned)
    return SequenceBounds(
        value=value,
        two_sided=(value - both, value + both),
        lower=value - one,
        upper=value + one,
        alpha=alpha,
    )


def _needed_nonzero(control: int, treatment: int) -> int:
    """Values other than 0 in both arms together from which on their difference is not too skewed."""
    if min(control, treatment) < 1:
        return MIN_NONZERO
    return max(MIN_NONZERO, math.ceil(NONZERO_FOR_SKEW * (control - treatment) ** 2 / (control * treatment)))


def two_sided_multiplier(n: int, *, alpha: float, planned: int) -> float:
    """Standard errors on either side of the estimate after `n` units of both arms.

    sqrt(2 (nρ² + 1) / (nρ²) ln(sqrt(nρ² + 1) / α)), ρ² tuned to α.

    Args:
        n: Units so far, both arms together.
        alpha: Chance that either end is ever wrong.
        planned: Units of both arms at the planned end.

    Raises:
        SpecError: The error level or the planned units are impossible.

    References:
        arXiv 2103.06476v9, theorem 2.2, equation 8.
    """
    spread = n * rho2(alpha, planned=planned)
    return math.sqrt(2 * (spread + 1) / spread * math.log(math.sqrt(spread + 1) / alpha))


def one_sided_multiplier(n: int, *, alpha: float, planned: int) -> float:
    """Standard errors to a bound on one side after `n` units of both arms.

    sqrt(2 (nρ² + 1) / (nρ²) ln(1 + sqrt(nρ² + 1) / (2α))), ρ² tuned to 2α.

    Args:
        n: Units so far, both arms together.
        alpha: Chance that this bound is ever wrong.
        planned: Units of both arms at the planned end.

    Raises:
        SpecError: The error level or the planned units are impossible.

    References:
        arXiv 2103.06476v9, theorem 2.2 in its one-sided form (appendix).
    """
    spread = n * rho2(2 * alpha, planned=planned)
    return math.sqrt(2 * (spread + 1) / spread * math.log1p(math.sqrt(spread + 1) / (2 * alpha)))


def rho2(alpha: float, *, planned: int) -> float:
    """The tuning that makes the sequence tightest at the planned number of units.

    ρ² = (-2 ln α + ln(1 - 2 ln α)) / planned

    Args:
        alpha: Two-sided error level; twice a one-sided one.
        planned: Units of both arms at the planned end.

    References:
        arXiv 2103.06476v9, appendix B.2, equation 50, squared.

    Raises:
        SpecError: The error level or the planned size is impossible.
    """
    if not 0 < alpha < 1:
        raise SpecError(f"alpha {alpha:g} must lie between 0 and 1 (a one-sided one below 0.5); 0.05 is usual")
    if not 1 <= planned < math.inf:
        raise SpecError(f"{planned} planned units; a confidence sequence is tuned to 1 unit or more")
    twice = -2 * math.log(alpha)
    return (twice + math.log1p(twice)) / planned


def always_valid_p(value: float, se: float, *, n: int, planned: int, alpha: float) -> float:
    """The smallest error level at which the sequence, as tuned, leaves 0 out: a p-value valid at every look.

    p = sqrt(nρ² + 1) exp(-z² nρ² / (2 (nρ² + 1))), at most 1, with z = value / se. The tuning stays that of
    `alpha`, because a tuning that follows the data would not be valid.

    Args:
        value: The effect's estimate from all units so far.
        se: Its standard error, above 0.
        n: Units so far, both arms together.
        planned: Units of both arms at the planned end.
        alpha: Of the sequence that is tuned.

    Raises:
        DataError: The estimate or its error is no number, or the error is 0.
        SpecError: The error level or the planned units are impossible.

    References:
        arXiv 2103.06476v9, theorem 2.2, solved for alpha.
    """
    _require_error(value, se)
    spread = n * rho2(alpha, planned=planned)
    z = value / se
    # In logs, because a z of 50 has a p-value below the smallest double.
    log_p = 0.5 * math.log(spread + 1) - z * z * spread / (2 * (spread + 1))
    return math.exp(min(log_p, 0.0))


def _require_error(value: float, se: float) -> None:
    if not (math.isfinite(value) and 0 < se < math.inf):
        raise DataError(f"estimate {value:g} with error {se:g} has no p-value; both must be finite, the error above 0")


def always_valid_p_one_sided(value: float, se: float, *, n: int, planned: int, alpha: float) -> float:
    """The smallest error level at which the one-sided sequence, as tuned, lies above 0; valid at every look.

    p = sqrt(nρ² + 1) / (2 (exp(z² nρ² / (2 (nρ² + 1))) - 1)), at most 1, with z = value / se above 0.

    Args:
        value: The estimate from all units so far; below 0 there is nothing to show.
        se: Its standard error, above 0.
        n: Units so far, both arms together.
        planned: Units of both arms at the planned end.
        alpha: Of the one-sided sequence that is tuned.

    Raises:
        DataError: The estimate or its error is no number, or the error is 0.
        SpecError: The error level or the planned units are impossible.

    References:
        arXiv 2103.06476v9, theorem 2.2 in its one-sided form, solved for alpha.
    """
    _require_error(value, se)
    if value <= 0:
        return 1.0
    spread = n * rho2(2 * alpha, planned=planned)
    z = value / se
    reach = z * z * spread / (2 * (spread + 1))
    if reach > 700:  # exp overflows, and the p-value is below the smallest double
        return 0.0
    return min(math.sqrt(spread + 1) / (2 * math.expm1(reach)), 1.0) if reach else 1.0
