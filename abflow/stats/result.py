"""What a statistic returns: an estimate, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class UnavailableReason(StrEnum):
    """Every reason for which a number cannot be computed."""

    NO_UNITS = "no_units"
    TOO_FEW_UNITS = "too_few_units"
    NO_SUCH_EVENT = "no_such_event"
    NO_VARIANCE = "no_variance"
    ZERO_DENOMINATOR = "zero_denominator"
    BASELINE_NEAR_ZERO = "baseline_near_zero"
    WINDOW_NOT_OVER = "window_not_over"
    CAP_REMOVES_ALL = "cap_removes_all"
    NOT_FINITE = "not_finite"
    METHOD_NOT_VALID_HERE = "method_not_valid_here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """A number that does not exist, and why; never 0, 1 or NaN in its place."""

    reason: UnavailableReason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its standard error, two-sided interval and p-value.

    Attributes:
        value: The estimate, in the unit of what was compared.
        se: Standard error, in the same unit.
        lower: Lower end of the interval.
        upper: Upper end of the interval.
        p_value: Two-sided, of the hypothesis that the true value is 0.
        confidence: Coverage of the interval, such as 0.95.
        method: Name of the test and of the interval.
    """

    value: float
    se: float
    lower: float
    upper: float
    p_value: float
    confidence: float
    method: str
