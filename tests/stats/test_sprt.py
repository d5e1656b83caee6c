"""Wald's test read every day."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.crossing import crossing_probabilities
from abflow.stats.group_sequential import evenly
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.sprt import (
    SprtReading,
    bernoulli_log_likelihood_ratio,
    log_likelihood_ratio,
    sprt_bounds,
    sprt_reading,
    wald_thresholds,
)

values, ses = st.floats(-5, 5), st.floats(0.05, 3)
# Mean Z of a fixed test with two-sided 0.05 and power 0.80.
FIXED_DRIFT = 1.9599640 + 0.8416212


def test_walds_thresholds_by_hand() -> None:
    # ln(0.80 / 0.05) = ln 16 and ln(0.20 / 0.95).
    got = wald_thresholds(alpha=0.05, beta=0.20)
    assert (got.reject, got.accept) == pytest.approx((2.772589, -1.558145), abs=5e-7)


@given(values, ses, st.floats(-3, 3))
def test_the_ratio_is_that_of_two_normal_likelihoods(value: float, se: float, delta: float) -> None:
    want = stats.norm.logpdf(value, delta, se) - stats.norm.logpdf(value, 0, se)
    assert log_likelihood_ratio(value, se, delta=delta) == pytest.approx(want, rel=1e-6, abs=1e-6)


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_the_ratio_of_rates_is_that_of_two_binomial_likelihoods(yes: int, no: int, p0: float, p1: float) -> None:
    assume(p0 != p1)
    want = stats.binom.logpmf(yes, yes + no, p1) - stats.binom.logpmf(yes, yes + no, p0)
    got = bernoulli_log_likelihood_ratio(yes, yes + no, p0=p0, p1=p1)
    assert got == pytest.approx(want, rel=1e-9, abs=1e-9)


def test_rates_are_accepted_and_rejected_where_nists_sampling_plan_says() -> None:
    # NIST/SEMATECH e-Handbook, 6.2.6: 1 % against 10 %, alpha 0.05, beta 0.10; accept at -0.939 + 0.0397 n defects,
    # reject at 1.205 + 0.0397 n. With 24 units the first lot is accepted at 0, and 3 are too many.
    limits = wald_thresholds(alpha=0.05, beta=0.10)
    ratio = partial(bernoulli_log_likelihood_ratio, p0=0.01, p1=0.10)
    assert ratio(0, 24) <= limits.accept < ratio(0, 23)
    assert ratio(2, 24) < limits.reject <= ratio(3, 24)
    step, slope = ratio(1, 1) - ratio(0, 1), -ratio(0, 1) / (ratio(1, 1) - ratio(0, 1))
    assert (limits.accept / step, limits.reject / step, slope) == pytest.approx((-0.939, 1.205, 0.0397), abs=5e-4)


def test_each_side_is_crossed_where_the_rule_says() -> None:
    # ln((1 - 0.2) / 0.025) = 3.465736 and ln(0.2 / 0.975) = -1.584120; with SE 0.5 and mde 1 the ratio of +mde
    # is 4·θ - 2, so it is crossed at 1.366434 and given up at 0.103970.
    for value, crossed in (
        (1.37, "better"),
        (1.36, None),
        (0.11, None),
        (0.10, "mde_excluded"),
        (-1.36, "mde_excluded"),
        (-1.37, "worse"),
    ):
        assert reading(value, 0.5, mde=1.0).crossed == crossed


def test_an_effect_that_is_worse_and_excludes_the_mde_is_called_worse() -> None:
    # With SE 2 the ratio of +mde is 0.25·θ - 0.125, that of -mde -0.25·θ - 0.125.
    assert reading(-5.0, 2.0, mde=1.0).crossed is None
    assert reading(-6.0, 2.0, mde=1.0).crossed == "mde_excluded"
    assert reading(-14.4, 2.0, mde=1.0).crossed == "worse"


@given(values, ses, st.floats(0.1, 3))
def test_turning_the_effect_around_swaps_better_and_worse(value: float, se: float, mde: float) -> None:
    there, back = reading(value, se, mde=mde), reading(-value, se, mde=mde)
    assert (there.gain, there.loss) == (back.loss, back.gain)
    assert (there.crossed == "better") == (back.crossed == "worse")


@given(values, ses, st.floats(0.1, 3), st.sampled_from([2.0**-20, 2.0**20]))
def test_the_unit_does_not_matter(value: float, se: float, mde: float, by: float) -> None:
    assert reading(value, se, mde=mde) == reading(value * by, se * by, mde=mde * by)


# With a beta of 0.001 an early effect is worse before it excludes the mde.
@given(st.floats(-8, 8), st.floats(0.02, 1.5), st.floats(0.5, 6), st.sampled_from([0.2, 0.001]))
def test_the_bounds_of_the_plan_are_those_of_the_reading(z: float, fraction: float, drift: float, beta: float) -> None:
    (lower,), (upper,) = sprt_bounds((fraction,), drift=drift, alpha=0.05, beta=beta)
    assume(min(abs(z - lower), abs(z - upper)) > 1e-9)
    # An effect of 1 at information 1 has the mean Z of the mde.
    se = 1 / math.sqrt(fraction)
    crossed = reading(z * se, se, mde=drift, beta=beta).crossed
    assert (crossed == "better") == (z > upper)
    assert (crossed in {"worse", "mde_excluded"}) == (z < lower)


@pytest.mark.parametrize("looks", [1, 5, 21, 60])
def test_a_truncated_test_keeps_both_errors(looks: int) -> None:
    for factor in (1.0, 1.6, 4.0):
        drift, fractions = math.sqrt(factor) * FIXED_DRIFT, evenly(looks)
        lower, upper = sprt_bounds(fractions, drift=drift, alpha=0.05, beta=0.2)
        assert sum(crossing_probabilities(upper, fractions, lower=lower).upper) <= 0.025
        # Below the lower bound before the last look: given up although the mde is true.
        assert sum(crossing_probabilities(upper, fractions, drift, lower=lower).lower) <= 0.2


def test_two_weeks_of_looks_with_1_6_times_the_units_have_the_power_planned() -> None:
    fractions, drift = evenly(14), math.sqrt(1.6) * FIXED_DRIFT
    lower, upper = sprt_bounds(fractions, drift=drift, alpha=0.05, beta=0.2)
    found = crossing_probabilities(upper, fractions, drift, lower=lower)
    assert sum(found.upper) == pytest.approx(0.80, abs=0.002)
    # On average it ends sooner than the fixed test would.
    assert 1.6 * found.expected_information < 0.85


@pytest.mark.parametrize(
    ("value", "se", "reason"),
    [
        (math.nan, 1.0, UnavailableReason.NOT_FINITE),
        (1.0, math.inf, UnavailableReason.NOT_FINITE),
        (1.0, 0.0, UnavailableReason.NO_VARIANCE),
    ],
)
def test_effects_without_an_error_have_no_reading(value: float, se: float, reason: UnavailableReason) -> None:
    got = sprt_reading(value, se, mde=0.1, alpha=0.05, beta=0.2)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_impossible_plans_are_refused() -> None:
    for mde in (0.0, -0.1, math.nan, math.inf):
        with pytest.raises(SpecError, match="mde"):
            sprt_reading(0.1, 0.1, mde=mde, alpha=0.05, beta=0.2)
    for alpha, beta in ((0.0, 0.2), (0.05, 0.0), (0.5, 0.5), (math.nan, 0.2)):
        with pytest.raises(SpecError, match="error levels"):
            wald_thresholds(alpha=alpha, beta=beta)


def test_impossible_counts_and_rates_are_refused() -> None:
    with pytest.raises(DataError, match="3 successes in 2 units"):
        bernoulli_log_likelihood_ratio(3, 2, p0=0.1, p1=0.2)
    for p0, p1 in ((0.1, 0.1), (0.0, 0.2), (0.1, math.nan)):
        with pytest.raises(SpecError, match="between 0 and 1"):
            bernoulli_log_likelihood_ratio(1, 2, p0=p0, p1=p1)


def reading(value: float, se: float, *, mde: float, beta: float = 0.2) -> SprtReading:
    got = sprt_reading(value, se, mde=mde, alpha=0.05, beta=beta)
    assert isinstance(got, SprtReading), got
    return got
