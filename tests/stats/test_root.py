"""Where a function passes through 0."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.stats.root import root


@given(st.floats(-20, 20), st.floats(0.01, 100), st.floats(0.01, 100), st.sampled_from([-1, 1]))
def test_the_zero_of_a_steep_curve_is_found(where: float, before: float, after: float, sign: int) -> None:
    got = root(lambda x: sign * math.tanh(x - where), where - before, where + after)
    assert got == pytest.approx(where, abs=1e-9)


def test_a_flat_cubic_and_a_corner_are_found() -> None:
    assert root(lambda x: (x - 1) ** 3, 0, 7) == pytest.approx(1, abs=1e-3)
    assert root(lambda x: min(x, 100 * x), -3, 5) == pytest.approx(0, abs=1e-10)
    assert root(lambda x: x - 2, 0, 2) == 2
    assert root(lambda x: 0.0 * x, 0, 2) == 2


def test_ends_of_one_sign_are_refused() -> None:
    with pytest.raises(ValueError, match="no change of sign"):
        root(lambda x: x * x + 1, -1, 1)
