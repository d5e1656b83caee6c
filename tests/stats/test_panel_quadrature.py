"""Gauss-Legendre on panels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from abflow.stats.panel_quadrature import GRADED, ORDER, panel_nodes


def test_polynomials_up_to_twice_the_order_are_exact_on_any_panels() -> None:
    degree = 2 * ORDER - 1
    nodes, weights = panel_nodes([3.0, 0.0, 0.5, 0.5])
    assert float(np.sum(weights * nodes**degree)) == pytest.approx(3.0 ** (degree + 1) / (degree + 1), rel=1e-14)


@pytest.mark.parametrize("narrow", [1e-9, 1e-3, 1.0])
def test_a_narrow_bell_on_a_wide_one_keeps_its_share(narrow: float) -> None:
    ends = np.concatenate([-GRADED[:15], GRADED[:15], -narrow * GRADED[:15], narrow * GRADED[:15]])
    nodes, weights = panel_nodes(ends)
    bells = np.exp(-(nodes**2) / 2) + np.exp(-((nodes / narrow) ** 2) / 2)
    assert float(np.sum(weights * bells)) == pytest.approx(math.sqrt(2 * math.pi) * (1 + narrow), rel=1e-13)
