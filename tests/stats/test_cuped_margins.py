"""Is an arm at most a margin worse, after CUPED?"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from abflow.stats.cuped import Cuped, cuped_of_means
from abflow.stats.cuped_margins import cuped_margin_bounds
from abflow.stats.noninferiority import MarginBounds, margin_bounds
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.vector_moments import vector_moments_of


@pytest.mark.parametrize(("sign", "margin", "left_over"), [(1, -0.1, 0.9), (-1, 0.1, 1.1)])
def test_a_relative_margin_scales_the_controls_outcome_and_not_its_past(
    sign: Literal[1, -1], margin: float, left_over: float
) -> None:
    control, treatment = arm(1), arm(2)
    cuped = adjusted(control, treatment)
    got = bounds(cuped, sign=sign, margin=margin, relative=True)
    want = stats.ttest_ind(
        sign * (treatment[:, 0] - cuped.theta * treatment[:, 1]),
        sign * (left_over * control[:, 0] - cuped.theta * control[:, 1]),
        equal_var=False,
        alternative="greater",
    )
    assert got.p_value == pytest.approx(want.pvalue, rel=1e-9)
    assert got.slack.lower == pytest.approx(want.confidence_interval(0.95).low, rel=1e-9)
    assert got.margin == pytest.approx(0.1 * control[:, 0].mean())


def test_the_relative_margins_estimate_is_that_of_the_adjusted_arms() -> None:
    cuped = adjusted(arm(1), arm(2))
    got = bounds(cuped, sign=1, margin=-0.1, relative=True)
    plain = margin_bounds(*(a.adjusted for a in cuped.arms), kind="mean", sign=1, margin=-0.1, relative=True)
    assert isinstance(plain, MarginBounds)
    assert got.slack.value == pytest.approx(plain.slack.value)
    assert got.effect == plain.effect
    # The control's mean covariate is itself only known to its own error.
    rho2 = cuped.correlation**2
    assert (got.slack.se / plain.slack.se) ** 2 == pytest.approx(1 + 0.1**2 * rho2 / (2 * (1 - rho2)), rel=0.01)


def test_an_absolute_margin_is_that_of_the_adjusted_arms() -> None:
    cuped = adjusted(arm(1), arm(2))
    want = margin_bounds(*(a.adjusted for a in cuped.arms), kind="mean", sign=-1, margin=0.2, relative=False)
    assert bounds(cuped, sign=-1, margin=0.2, relative=False) == want


def test_without_a_useful_past_the_bounds_are_the_plain_ones() -> None:
    control, treatment = arm(1), arm(2)
    control[:, 1] = treatment[:, 1] = 0
    cuped = adjusted(control, treatment)
    want = margin_bounds(*(a.unadjusted for a in cuped.arms), kind="mean", sign=1, margin=-0.1, relative=True)
    got = bounds(cuped, sign=1, margin=-0.1, relative=True)
    assert isinstance(want, MarginBounds)
    assert (got.p_value, got.slack.se) == pytest.approx((want.p_value, want.slack.se))


def test_a_negative_control_mean_has_no_relative_margin() -> None:
    control, treatment = arm(1), arm(2)
    control[:, 0] -= 100
    cuped = adjusted(control, treatment)
    got = cuped_margin_bounds(*cuped.arms, sign=1, margin=-0.1, relative=True)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE


def arm(seed: int) -> NDArray[np.float64]:
    """Outcome and covariate with correlation 0.9."""
    rng = np.random.default_rng(seed)
    before = rng.normal(size=400)
    return np.column_stack((5 + 0.9 * before + 0.19**0.5 * rng.normal(size=400), before))


def adjusted(control: NDArray[np.float64], treatment: NDArray[np.float64]) -> Cuped:
    return cuped_of_means([vector_moments_of(control), vector_moments_of(treatment)])


def bounds(cuped: Cuped, *, sign: Literal[1, -1], margin: float, relative: bool) -> MarginBounds:
    got = cuped_margin_bounds(*cuped.arms, sign=sign, margin=margin, relative=relative)
    assert isinstance(got, MarginBounds), got
    return got
