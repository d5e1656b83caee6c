"""Tails that keep their digits far out."""

from __future__ import annotations

import pytest
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.tails import normal_isf, normal_sf, t_isf, t_sf, tail_of


@pytest.mark.parametrize("z", [-9.0, -1.0, 0.0, 1.96, 6.0, 12.0, 30.0])
def test_normal_tails_agree_with_scipy(z: float) -> None:
    assert normal_sf(z) == pytest.approx(stats.norm.sf(z), rel=1e-11)


@pytest.mark.parametrize("tail", [1e-12, 0.001, 0.025, 0.5, 0.8])
def test_normal_quantiles_agree_with_scipy(tail: float) -> None:
    assert normal_isf(tail) == pytest.approx(stats.norm.isf(tail), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("dof", [1.0, 3.7, 17.78, 5841.7])
@pytest.mark.parametrize("t", [-3.0, 0.5, 2.0, 15.0])
def test_students_tails_agree_with_scipy(t: float, dof: float) -> None:
    assert t_sf(t, dof) == pytest.approx(stats.t.sf(t, dof), rel=1e-8)
    assert t_isf(t_sf(t, dof), dof) == pytest.approx(t, rel=1e-7)


def test_a_tail_is_what_the_confidence_leaves() -> None:
    assert tail_of(0.95, sides=2) == pytest.approx(0.025)
    assert tail_of(0.95, sides=1) == pytest.approx(0.05)


def test_an_error_level_given_as_confidence_is_refused() -> None:
    with pytest.raises(SpecError, match=r"confidence 0\.05 .* write 0\.95"):
        tail_of(0.05, sides=1)
