"""Rows within units: what they are worth, when rows of one unit resemble one another."""

from __future__ import annotations

import math

from abflow.errors import SpecError


def design_effect(rows_per_unit: float, correlation: float, *, variation: float = 0.0) -> float:
    """How many times as many rows a test takes because rows of one unit resemble one another.

    1 + ((1 + variation²) rows_per_unit - 1) correlation

    Args:
        rows_per_unit: Mean rows of a unit, at least 1.
        correlation: Intraclass correlation of two rows of one unit, from 0 to 1.
        variation: Coefficient of variation of the units' rows: their standard deviation over their mean.

    Raises:
        SpecError: A number is impossible.

    References:
        Kish (1965), Survey Sampling, chapter 5; for units of different sizes Eldridge, Ashby, Kerry (2006),
        International Journal of Epidemiology 35, 1292-1300.
    """
    if not 1 <= rows_per_unit < math.inf:
        raise SpecError(f"{rows_per_unit:g} rows per unit are impossible; a unit that counts has 1 or more")
    if not 0 <= correlation <= 1:
        raise SpecError(f"an intraclass correlation of {correlation:g} is impossible; it lies between 0 and 1")
    if not 0 <= variation < math.inf:
        raise SpecError(f"rows per unit cannot vary by {variation:g} times their mean; give 0 or more")
    return 1 + ((1 + variation**2) * rows_per_unit - 1) * correlation


def linearised_sd(row_sd: float, rows_per_unit: float, correlation: float, *, variation: float = 0.0) -> float:
    """Standard deviation per unit of a ratio over rows, such as clicks per impression, for its sample size.

    row_sd sqrt(design_effect / rows_per_unit). It is that of the linearised units of the delta method:
    (numerator - ratio * rows) / mean rows.

    Args:
        row_sd: Standard deviation of a row; of a share p of the rows the root of p (1 - p).
        rows_per_unit: As of `design_effect`.
        correlation: As of `design_effect`.
        variation: As of `design_effect`.

    Raises:
        SpecError: A number is impossible.

    References:
        Deng, Knoblich, Lu (2018), KDD, arXiv 1803.06336v4, with the variance of `design_effect`.
    """
    if not 0 < row_sd < math.inf:
        raise SpecError(f"a standard deviation of {row_sd:g} between rows is impossible; it is above 0")
    return row_sd * math.sqrt(design_effect(rows_per_unit, correlation, variation=variation) / rows_per_unit)
