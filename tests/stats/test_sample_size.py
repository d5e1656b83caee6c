"""Textbook sample sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.sample_size import n_t_test, n_two_means, n_two_proportions


@pytest.mark.parametrize(
    ("p1", "p2", "pooled", "unpooled"),
    [
        (0.10, 0.12, 3840.85, 3838.10),
        (0.05, 0.06, 8157.73, 8154.99),
        (0.20, 0.25, 1093.74, 1090.99),
        (0.10, 0.11, 14750.79, 14748.05),
    ],
)
def test_two_proportions_reproduce_the_textbook(p1: float, p2: float, pooled: float, unpooled: float) -> None:
    # Fleiss, Levin, Paik (2003), chapter 4, without continuity correction.
    assert n_two_proportions(p1, p2, 0.05, 0.8) == pytest.approx(pooled, abs=0.005)
    assert n_two_proportions(p1, p2, 0.05, 0.8, pooled=False) == pytest.approx(unpooled, abs=0.005)


def test_a_drop_of_a_tenth_from_18_percent() -> None:
    # A widely copied article prints 8,744 here; its own formula gives this.
    assert n_two_proportions(0.18, 0.162, 0.05, 0.8) == pytest.approx(6867.03, abs=0.005)


@pytest.mark.parametrize(("d", "n"), [(0.2, 393.41), (0.5, 63.77), (0.8, 25.52)])
def test_t_test_reproduces_cohen(d: float, n: float) -> None:
    # Cohen (1988), table 2.4.1, to the decimals that later programs print.
    assert n_t_test(d, 0.05, 0.8) == pytest.approx(n, abs=0.01)
    assert n_t_test(-d, 0.05, 0.8) == pytest.approx(n, abs=0.01)


def test_sixteen_variances_over_delta_squared() -> None:
    # Kohavi, Tang, Xu (2020): 5 % conversion, 5 % relative; the rule of thumb says 121 600 per arm.
    got = n_two_means((0.05 * 0.95) ** 0.5, 0.0025, 0.05, 0.8)
    assert got == pytest.approx(121_600, rel=0.02)
    # The exact number takes each arm at its own rate.
    assert n_two_proportions(0.05, 0.0525, 0.05, 0.8) == pytest.approx(122_123, abs=1)


@example(1.029443565729572, 0.9700575195506995, 0.001)  # where scipy's tail in the wrong direction is NaN
@given(st.floats(0.05, 2.0), st.floats(0.6, 0.99), st.floats(0.001, 0.2))
def test_students_t_needs_a_little_more_than_z(d: float, power: float, alpha: float) -> None:
    z, t = n_two_means(1.0, d, alpha, power), n_t_test(d, alpha, power)
    # The exact power also counts findings in the wrong direction, hence not always more.
    assert 0.99 * z < t < 2 * z + 10
    # And it has the power it promises, by scipy's noncentral t.
    dof, shift = 2 * t - 2, d * (t / 2) ** 0.5
    critical = stats.t.isf(alpha / 2, dof)
    wrong = stats.nct.sf(critical, dof, -shift) if shift < 6 else 0.0
    reached = stats.nct.sf(critical, dof, shift) + wrong
    assert reached == pytest.approx(power, abs=1e-6)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_swapping_the_rates_changes_nothing(p1: float, p2: float) -> None:
    if abs(p1 - p2) > 1e-6:
        there = n_two_proportions(p1, p2, 0.05, 0.8)
        assert n_two_proportions(p2, p1, 0.05, 0.8) == pytest.approx(there)
        assert n_two_proportions(1 - p1, 1 - p2, 0.05, 0.8) == pytest.approx(there)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(SpecError, match=r"rates 0\.1 and 0\.1"):
        n_two_proportions(0.1, 0.1, 0.05, 0.8)
    with pytest.raises(SpecError, match="sd 0"):
        n_two_means(0.0, 1.0, 0.05, 0.8)
    for sd, delta in ((np.nan, 1.0), (np.inf, 1.0), (1.0, np.nan), (1.0, np.inf)):
        with pytest.raises(SpecError, match="both must be finite"):
            n_two_means(sd, delta, 0.05, 0.8)
    for d in (0.0, np.nan, np.inf, 101.0):
        with pytest.raises(SpecError, match="not between 0 and 100 standard deviations"):
            n_t_test(d, 0.05, 0.8)
    with pytest.raises(SpecError, match="power 1"):
        n_two_means(1.0, 1.0, 0.05, 1.0)
