"""Differences of quantiles of rows, such as the 95th percentile of latency, the unit as cluster."""

from __future__ import annotations

import math
from dataclasses import replace

from abflow.stats.means import MIN_UNITS, difference_in_ratios
from abflow.stats.quantile_interval import combined_ends, quantiles_of_both
from abflow.stats.quantile_rows import QuantileRows
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, tail_of


def difference_in_quantiles(
    control: QuantileRows, treatment: QuantileRows, q: float, *, confidence: float = 0.95, min_units: int = MIN_UNITS
) -> Estimate | Unavailable:
    """Treatment quantile minus control quantile, in the unit of the rows.

    Interval with D = Q_t - Q_c: D - sqrt((Q_t - l_t)² + (u_c - Q_c)²) to D + sqrt((u_t - Q_t)² + (Q_c - l_c)²).
    The test compares the shares of rows at or below the pooled quantile; the interval combines the arms' own
    intervals, and `se` is its half-width over z. The two answer by different formulas and can disagree within
    a hair of the border. The interval is cautious where few rows lie beyond the quantile: at 1 000 units of
    one row each a P99 is covered 97 % of the time.

    Args:
        control: Rows around the control's and around the pooled quantile.
        treatment: The same of the other arm.
        q: Level of the quantile, such as 0.95.
        confidence: Coverage of the interval.
        min_units: Fewest units per arm.

    Raises:
        SpecError: The level is not between 0 and 1, or the confidence not between 0.5 and 1.

    References:
        Zou, Donner (2008), Statistics in Medicine 27, 1693-1702, on intervals from intervals (MOVER).
    """
    arms = quantiles_of_both(control, treatment, q, confidence=confidence, sides=2, min_units=min_units)
    if isinstance(arms, Unavailable):
        return arms
    p_value = _p_of_shares(control, treatment, min_units)
    if isinstance(p_value, Unavailable):
        return p_value
    lower, upper = combined_ends(*arms, weight_control=1, weight_treatment=1)
    return Estimate(
        value=arms[1].value - arms[0].value,
        se=(upper - lower) / (2 * normal_isf(tail_of(confidence, sides=2))),
        lower=lower,
        upper=upper,
        p_value=p_value,
        confidence=confidence,
        method="shares at the pooled quantile by delta method, Woodruff intervals combined by MOVER",
    )


def _p_of_shares(control: QuantileRows, treatment: QuantileRows, min_units: int) -> float | Unavailable:
    shares = difference_in_ratios(control.at_pooled, treatment.at_pooled, min_units=min_units)
    if isinstance(shares, Unavailable) and shares.reason is UnavailableReason.NO_VARIANCE:
        return replace(
            shares,
            detail="every unit of an arm has the same share of its rows at or below the quantile of all rows, as when "
            "the rows of the arms do not overlap; nothing tells a difference from chance",
        )
    return shares if isinstance(shares, Unavailable) else shares.p_value


def relative_quantile_lift(
    control: QuantileRows, treatment: QuantileRows, q: float, *, confidence: float = 0.95, min_units: int = MIN_UNITS
) -> Estimate | Unavailable:
    """Treatment quantile over control quantile minus 1: for reading, with the p-value of the difference.

    The arms' intervals are combined on the log scale, where a ratio is a difference.

    Args:
        control: Rows around the control's and around the pooled quantile.
        treatment: The same of the other arm.
        q: Level of the quantile, such as 0.95.
        confidence: Coverage of the interval.
        min_units: Fewest units per arm.

    Raises:
        SpecError: The level is not between 0 and 1, or the confidence not between 0.5 and 1.

    References:
        Zou, Donner (2008), Statistics in Medicine 27, 1693-1702 (MOVER; here on logarithms).
    """
    arms = quantiles_of_both(control, treatment, q, confidence=confidence, sides=2, min_units=min_units)
    if isinstance(arms, Unavailable):
        return arms
    for name, arm in zip(("control", "treatment"), arms, strict=True):
        if arm.lower <= 0:
            return Unavailable(
                reason=UnavailableReason.BASELINE_NEAR_ZERO,
                detail=f"the {name}'s quantile {arm.value:g} may be {arm.lower:g}, and a ratio needs both above 0",
            )
    p_value = _p_of_shares(control, treatment, min_units)
    if isinstance(p_value, Unavailable):
        return p_value
    in_logs = (
        replace(arm, value=math.log(arm.value), lower=math.log(arm.lower), upper=math.log(arm.upper)) for arm in arms
    )
    lower, upper = map(math.expm1, combined_ends(*in_logs, weight_control=1, weight_treatment=1))
    return Estimate(
        value=arms[1].value / arms[0].value - 1,
        se=(upper - lower) / (2 * normal_isf(tail_of(confidence, sides=2))),
        lower=lower,
        upper=upper,
        p_value=p_value,
        confidence=confidence,
        method="shares at the pooled quantile by delta method, Woodruff intervals combined by MOVER on logs",
    )
