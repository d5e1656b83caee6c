"""Many arms against one control."""

from __future__ import annotations

import itertools
import math
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import special, stats

from abflow.errors import SpecError
from abflow.stats.contrast import Contrast
from abflow.stats.dunnett import dunnett, largest_t_isf, largest_t_sf, loading
from abflow.stats.moments import Moments, moments_of
from abflow.stats.multiplicity import adjust
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

EQUAL = math.sqrt(0.5)  # the loading of an arm as large as the control
# Blood counts (millions per cubic millimetre) of animals; Dunnett (1955), JASA 50, 1096-1121, table 2.
NO_DRUG = moments_of([7.40, 8.50, 7.20, 8.24, 9.84, 8.32])
DRUG_A = moments_of([9.76, 8.80, 7.68, 9.36])
DRUG_B = moments_of([12.80, 9.68, 12.16, 9.20, 10.55])
Name = TypeVar("Name")
loadings = st.lists(st.floats(0, 0.99), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("dof", "alpha", "critical"),
    [
        # Dunnett (1964), Biometrics 20, 482-491, tables II: two-sided, 1 to 5 equal arms besides the control.
        (5, 0.05, (2.57, 3.03, 3.29, 3.48, 3.62)),
        (10, 0.05, (2.23, 2.57, 2.76, 2.89, 2.99)),
        (20, 0.05, (2.09, 2.38, 2.54, 2.65, 2.73)),
        (60, 0.05, (2.00, 2.27, 2.41, 2.51, 2.58)),
        (math.inf, 0.05, (1.96, 2.21, 2.35, 2.44, 2.51)),
        (5, 0.01, (4.03, 4.63, 4.98, 5.22, 5.41)),
        (math.inf, 0.01, (2.58, 2.79, 2.92, 3.00, 3.06)),
    ],
)
def test_dunnetts_own_tables_are_reproduced(dof: float, alpha: float, critical: tuple[float, ...]) -> None:
    got = [largest_t_isf(alpha, [EQUAL] * arms, dof=dof) for arms in range(1, 6)]
    # The tables are rounded to a hundredth, some of them upwards.
    assert got == pytest.approx(critical, abs=6e-3)


def test_the_blood_counts_agree_with_scipy() -> None:
    arms = (NO_DRUG, DRUG_A, DRUG_B)
    dof = sum(arm.n for arm in arms) - len(arms)
    variance = sum(arm.m2 for arm in arms) / dof
    got = compared(
        dunnett({name: pooled(NO_DRUG, arm, variance) for name, arm in (("A", DRUG_A), ("B", DRUG_B))}, dof=dof)
    )
    # scipy's documentation of `scipy.stats.dunnett`, which integrates by quasi Monte Carlo.
    assert got["A"].p_value == pytest.approx(0.62004941, abs=1e-3)
    assert got["B"].p_value == pytest.approx(0.0059035, abs=3e-4)
    assert (got["A"].lower, got["A"].upper) == pytest.approx((-1.2564, 2.5564), abs=2e-3)
    assert (got["B"].lower, got["B"].upper) == pytest.approx((0.8396, 4.4164), abs=2e-3)


@pytest.mark.parametrize("unequal", [(0.3, 0.9, 0.6), (0.99, 0.5), (0.2, 0.4, 0.6, 0.8)])
def test_unequal_arms_agree_with_the_multivariate_normal(unequal: tuple[float, ...]) -> None:
    correlation = np.outer(unequal, unequal)
    np.fill_diagonal(correlation, 1)
    for t in (1.0, 2.3, 3.5):
        corner = np.full(len(unequal), t)
        inside = stats.multivariate_normal.cdf(
            corner, cov=correlation, lower_limit=-corner, maxpts=1_000_000, abseps=1e-7, releps=1e-7
        )
        assert largest_t_sf(t, unequal) == pytest.approx(1 - inside, abs=1e-6)


@given(st.floats(0, 30), st.floats(0, 1), st.sampled_from([0.5, 1.0, 3.0, 40.0, 1e4, 1e7]))
@example(1000.0, 0.5, 40.0)
@settings(deadline=None)
def test_one_arm_alone_is_students_t(t: float, share: float, dof: float) -> None:
    # To 10 digits of the tail, also where it is 1e-200.
    assert largest_t_sf(t, [share], dof=dof) == pytest.approx(2 * special.stdtr(dof, -t), rel=1e-9, abs=1e-300)
    assert largest_t_sf(t, [share]) == pytest.approx(math.erfc(t / math.sqrt(2)), rel=1e-9, abs=1e-300)


@given(st.floats(0.1, 8), st.integers(1, 5))
def test_arms_that_share_nothing_are_sidaks_and_arms_that_share_all_are_one(t: float, arms: int) -> None:
    alone = math.erfc(t / math.sqrt(2))
    assert largest_t_sf(t, [0.0] * arms) == pytest.approx(adjust([alone] * arms, "sidak")[0], rel=1e-9)
    # A hundredth of the difference's noise is left to each arm, which errs on the safe side.
    assert alone * (1 - 1e-9) <= largest_t_sf(t, [1.0] * arms) <= 1.15 * alone


@given(st.floats(0.1, 6), loadings, st.sampled_from([4.0, 30.0, math.inf]))
@settings(deadline=None, max_examples=25)
def test_the_correction_lies_between_none_and_sidaks(t: float, shares: list[float], dof: float) -> None:
    alone = largest_t_sf(t, shares[:1], dof=dof)
    together = largest_t_sf(t, shares, dof=dof)
    assert alone * (1 - 1e-9) <= together <= min(len(shares) * alone, 1.0) * (1 + 1e-9)
    if math.isinf(dof):
        assert together <= adjust([alone] * len(shares), "sidak")[0] * (1 + 1e-9)
    assert largest_t_sf(t, shares[::-1], dof=dof) == pytest.approx(together, rel=1e-9)
    assert largest_t_sf(t + 0.1, shares, dof=dof) < together


@pytest.mark.parametrize("tail", [1e-12, 0.001, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("dof", [3.0, 200.0, math.inf])
def test_the_critical_value_leaves_the_tail_that_was_asked_for(tail: float, dof: float) -> None:
    for shares in ([0.7], [0.3, 0.8, 0.8], [0.0, 0.0, 0.99]):
        assert largest_t_sf(largest_t_isf(tail, shares, dof=dof), shares, dof=dof) == pytest.approx(tail, rel=1e-8)


def test_a_loading_is_a_matter_of_sizes_when_variances_are_equal() -> None:
    contrast = pooled(moments_of(np.arange(40.0)), moments_of(np.arange(90.0)), 2.0)
    assert loading(contrast) == pytest.approx(math.sqrt(90 / (90 + 40)))


def test_a_p_value_is_small_exactly_when_its_interval_excludes_zero() -> None:
    rng = np.random.default_rng(3)
    for confidence in (0.8, 0.95):
        got = compared(dunnett(some_contrasts(rng, arms=12), confidence=confidence))
        for estimate in got.values():
            assert (estimate.p_value < 1 - confidence) == (estimate.lower > 0 or estimate.upper < 0)
            assert estimate.method == "Dunnett"


def test_without_degrees_of_freedom_the_fewest_of_welch_are_taken() -> None:
    contrasts = some_contrasts(np.random.default_rng(4), arms=3)
    fewest = min(contrast.dof for contrast in contrasts.values())
    assert dunnett(contrasts) == dunnett(contrasts, dof=fewest)
    plain, careful = compared(dunnett(contrasts, dof=math.inf)), compared(dunnett(contrasts))
    strongest = min(plain, key=lambda arm: plain[arm].p_value)
    assert careful[strongest].p_value > plain[strongest].p_value
    assert all(careful[arm].upper > plain[arm].upper for arm in contrasts)


def test_scale_and_order_do_not_matter() -> None:
    contrasts = some_contrasts(np.random.default_rng(5), arms=3)
    plain = compared(dunnett(contrasts))
    for order in itertools.permutations(contrasts):
        assert compared(dunnett({arm: contrasts[arm] for arm in order}))[2].p_value == pytest.approx(plain[2].p_value)
    large = {
        arm: Contrast(
            value=1e9 * c.value,
            var_control=1e18 * c.var_control,
            var_treatment=1e18 * c.var_treatment,
            n_control=c.n_control,
            n_treatment=c.n_treatment,
        )
        for arm, c in contrasts.items()
    }
    assert compared(dunnett(large))[1].p_value == pytest.approx(plain[1].p_value)


def test_what_cannot_be_compared_says_why() -> None:
    constant = Contrast(value=1.0, var_control=0.0, var_treatment=0.0, n_control=20, n_treatment=20)
    got = dunnett({"a": constant})
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_VARIANCE
    assert dunnett({}) == {}


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(SpecError, match="t -1 is below 0"):
        largest_t_sf(-1, [0.5])
    with pytest.raises(SpecError, match="between 0 and 1 per arm"):
        largest_t_sf(1, [1.5])
    with pytest.raises(SpecError, match="between 0 and 1 per arm"):
        largest_t_sf(1, [])
    with pytest.raises(SpecError, match="degrees of freedom"):
        largest_t_sf(1, [0.5], dof=0)
    with pytest.raises(SpecError, match="tail 1 is not"):
        largest_t_isf(1, [0.5])
    with pytest.raises(SpecError, match=r"write 0\.95"):
        dunnett({}, confidence=95)


def some_contrasts(rng: np.random.Generator, *, arms: int) -> dict[int, Contrast]:
    means = rng.normal(scale=0.4, size=arms)
    return {
        arm: Contrast(
            value=float(mean), var_control=0.01, var_treatment=0.02 + 0.01 * arm, n_control=30, n_treatment=20
        )
        for arm, mean in enumerate(means)
    }


def pooled(control: Moments, treatment: Moments, variance: float) -> Contrast:
    return Contrast(
        value=treatment.mean - control.mean,
        var_control=variance / control.n,
        var_treatment=variance / treatment.n,
        n_control=control.n,
        n_treatment=treatment.n,
    )


def compared(got: dict[Name, Estimate] | Unavailable) -> dict[Name, Estimate]:
    assert not isinstance(got, Unavailable), got
    return got
