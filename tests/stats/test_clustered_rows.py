"""Rows of one unit resemble one another: what they are worth, against published and simulated answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import SpecError
from abflow.stats.clustered_rows import design_effect, linearised_sd
from abflow.stats.means import ratio_moments
from abflow.stats.moments import Moments, joint_moments_of


@pytest.mark.parametrize(
    ("rows", "correlation", "variation", "expected"),
    [
        (50, 0.05, 0.0, 3.45),  # Kish: 1 + 49 * 0.05
        (10, 0.05, 0.65, 1 + ((1 + 0.65**2) * 10 - 1) * 0.05),
        (1, 0.7, 0.0, 1.0),
        (20, 0.0, 2.0, 1.0),
        (20, 1.0, 0.0, 20.0),
    ],
)
def test_known_design_effects(rows: float, correlation: float, variation: float, expected: float) -> None:
    assert design_effect(rows, correlation, variation=variation) == pytest.approx(expected)


@pytest.mark.parametrize("most", [1, 9, 40])
def test_the_spread_of_linearised_units_is_what_their_rows_say(most: int) -> None:
    """200 000 units whose rows share a part of their noise, with different numbers of rows."""
    random = np.random.default_rng(20261123)
    correlation, sd = 0.3, 2.0
    rows = random.integers(1, most + 1, 200_000).astype(float)
    shared = random.normal(0, sd * math.sqrt(correlation), rows.size)
    own = random.normal(0, 1, rows.size) * sd * np.sqrt((1 - correlation) * rows)
    pair = joint_moments_of(rows * (5 + shared) + own, rows)
    linearised = ratio_moments(pair, arm="a")
    assert isinstance(linearised, Moments)
    drawn = math.sqrt(linearised.variance)
    variation = rows.std() / rows.mean()
    assert linearised_sd(sd, rows.mean(), correlation, variation=variation) == pytest.approx(drawn, rel=0.01)


@given(st.floats(1, 1e4), st.floats(0, 1), st.floats(0, 5))
def test_rows_are_worth_between_one_unit_and_all_of_them(rows: float, correlation: float, variation: float) -> None:
    assert design_effect(rows, correlation, variation=variation) >= 1
    assert linearised_sd(1.0, rows, correlation) <= 1 + 1e-12
    assert linearised_sd(1.0, rows, correlation) >= math.sqrt(1 / rows) * (1 - 1e-12)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((1.0, 0.5, 0.1), "0.5 rows per unit"),
        ((1.0, math.nan, 0.1), "nan rows per unit"),
        ((1.0, 5.0, 1.1), "correlation of 1.1"),
        ((1.0, 5.0, -0.1), "correlation of -0.1"),
        ((0.0, 5.0, 0.1), "deviation of 0"),
        ((math.inf, 5.0, 0.1), "deviation of inf"),
    ],
)
def test_impossible_rows_are_refused(given: tuple[float, float, float], why: str) -> None:
    with pytest.raises(SpecError, match=why):
        linearised_sd(*given)
    with pytest.raises(SpecError, match="vary by -1"):
        design_effect(5, 0.1, variation=-1)
