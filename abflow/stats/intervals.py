"""Exact bounds of one rate, such as the share of failed calls."""

from __future__ import annotations

from abflow.errors import DataError
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import tail_of


def clopper_pearson_upper(successes: int, n: int, *, confidence: float = 0.95) -> float | Unavailable:
    """One-sided upper bound of a rate, which holds at least this often in samples of any size.

    The p with P(X ≤ successes) = 1 - confidence: the quantile `confidence` of Beta(successes + 1, n - successes).

    Args:
        successes: Units with the event.
        n: Units in all; with 0 the bound is unavailable.
        confidence: Of this bound alone.

    Raises:
        DataError: More successes than units, or fewer than none.
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Clopper, Pearson (1934), Biometrika 26, 404-413.
    """
    tail = tail_of(confidence, sides=1)
    if (refusal := _why_no_rate(successes, n)) is not None:
        return refusal
    from scipy import special

    return 1.0 if successes == n else float(special.betainccinv(successes + 1, n - successes, tail))


def clopper_pearson_lower(successes: int, n: int, *, confidence: float = 0.95) -> float | Unavailable:
    """One-sided lower bound of a rate, which holds at least this often in samples of any size.

    The p with P(X ≥ successes) = 1 - confidence: the quantile 1 - `confidence` of Beta(successes, n - successes + 1).

    Args:
        successes: Units with the event.
        n: Units in all; with 0 the bound is unavailable.
        confidence: Of this bound alone.

    Raises:
        DataError: More successes than units, or fewer than none.
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Clopper, Pearson (1934), Biometrika 26, 404-413.
    """
    tail = tail_of(confidence, sides=1)
    if (refusal := _why_no_rate(successes, n)) is not None:
        return refusal
    from scipy import special

    return 0.0 if successes == 0 else float(special.betaincinv(successes, n - successes + 1, tail))


def _why_no_rate(successes: int, n: int) -> Unavailable | None:
    if not 0 <= successes <= n:
        raise DataError(f"{successes} successes in {n} units; successes lie between 0 and the units")
    if n == 0:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="no units, so there is no rate")
    return None
