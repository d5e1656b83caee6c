"""Bootstrap intervals of means, lifts and ratios."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.bootstrap import Bootstrapped, bootstrap_interval
from abflow.stats.result import Unavailable, UnavailableReason

Compare = Literal["difference", "lift"]
Floats = NDArray[np.float64]
DRAWS = 40_000
# The 2.5 % point of so many replicates has a standard error of sqrt(.025 · .975 / draws) / phi(1.96) = 0.013 of
# the bootstrap's, twice that in the long tail of a skewed one, and BCa's bias correction adds 2 · sqrt(.25 / draws)
# / phi(0) = 0.013. Two programs drawing on their own: sqrt(2) · 0.03 = 0.042, of which this is three.
MONTE_CARLO = 0.125


@pytest.fixture(scope="module")
def arms() -> tuple[Floats, Floats]:
    """Skewed arms of different sizes: numerators and denominators per unit, which go together."""
    rng = np.random.default_rng(11)
    sizes = rng.poisson(4, size=180) + 1.0, rng.poisson(5, size=130) + 1.0
    amounts = tuple(rng.lognormal(mean, 1.0, size=size.size) * size for mean, size in zip((0, 0.2), sizes, strict=True))
    return np.column_stack((amounts[0], sizes[0])), np.column_stack((amounts[1], sizes[1]))


@pytest.mark.parametrize("what", ["mean", "ratio"])
@pytest.mark.parametrize("compare", ["difference", "lift"])
@pytest.mark.parametrize(("interval", "scipys"), [("bca", "BCa"), ("percentile", "percentile")])
def test_the_interval_is_scipys_but_for_monte_carlo_error(
    arms: tuple[Floats, Floats],
    what: str,
    compare: Compare,
    interval: Literal["bca", "percentile"],
    scipys: Literal["BCa", "percentile"],
) -> None:
    control, treatment = ((arm if what == "ratio" else arm[:, 0]) for arm in arms)

    def statistic(left: NDArray[np.intp], right: NDArray[np.intp], axis: int = -1) -> Floats:
        values: list[Floats] = []
        for arm, picked in ((arms[0], left), (arms[1], right)):
            below = arm[picked, 1] if what == "ratio" else np.ones(picked.shape)
            values.append(arm[picked, 0].sum(axis=axis) / below.sum(axis=axis))
        return values[1] - values[0] if compare == "difference" else values[1] / values[0] - 1

    want = stats.bootstrap(
        tuple(np.arange(len(arm)) for arm in arms),
        statistic,
        method=scipys,
        n_resamples=DRAWS,
        batch=1_000,
        vectorized=True,
        rng=np.random.default_rng(12),
    )
    got = shown(bootstrap_interval(control, treatment, compare=compare, interval=interval, draws=DRAWS, seed=13))
    se = float(want.standard_error)
    assert got.value == pytest.approx(float(statistic(np.arange(180), np.arange(130))))
    # The standard deviation of n replicates is known to 1 / sqrt(2 n), a little more with long tails.
    assert got.se == pytest.approx(se, rel=6 / math.sqrt(DRAWS))
    assert got.lower == pytest.approx(want.confidence_interval.low, abs=MONTE_CARLO * se)
    assert got.upper == pytest.approx(want.confidence_interval.high, abs=MONTE_CARLO * se)


def test_few_very_skewed_units_are_corrected_as_far_as_scipy_corrects_them() -> None:
    # The correction moves the upper end by more than a standard error, and half or twice of it would as well. The
    # ends lie further out than above, where 40 000 replicates know them to 0.1 standard errors.
    control, treatment = np.arange(12.0) / 100, np.array([1.0, 2, 1, 3, 2, 1, 2, 1, 1, 2, 3, 1, 2, 1, 25])
    want = stats.bootstrap(
        (control, treatment),
        lambda left, right, axis: right.mean(axis=axis) - left.mean(axis=axis),
        n_resamples=DRAWS,
        vectorized=True,
        rng=np.random.default_rng(12),
    )
    got = shown(bootstrap_interval(control, treatment, draws=DRAWS, seed=13, interval="bca"))
    plain = shown(bootstrap_interval(control, treatment, draws=DRAWS, seed=13))
    assert got.upper > plain.upper + got.se
    assert got.lower == pytest.approx(want.confidence_interval.low, abs=0.1 * got.se)
    assert got.upper == pytest.approx(want.confidence_interval.high, abs=0.3 * got.se)


def test_buckets_cost_no_more_than_their_price() -> None:
    rng = np.random.default_rng(21)
    control, treatment = rng.exponential(size=50_000), rng.exponential(size=40_000)
    got = shown(bootstrap_interval(control, treatment, draws=4_000, seed=1))
    truth = math.sqrt(control.var() / control.size + treatment.var() / treatment.size)
    # Two arms of 8 192 buckets and 4 000 replicates: sqrt(1 / (4 · 8192) + 1 / 8000) = 1.2 %, times 4.
    assert got.se == pytest.approx(truth, rel=0.05)
    assert got.lower == pytest.approx(got.value - 1.96 * truth, abs=0.2 * truth)
    assert got.upper == pytest.approx(got.value + 1.96 * truth, abs=0.2 * truth)


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(arms: tuple[Floats, Floats]) -> None:
    first, again, other = (bootstrap_interval(*arms, draws=500, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_ratio_whose_denominators_are_one_is_a_mean(arms: tuple[Floats, Floats]) -> None:
    means = [arm[:, 0] for arm in arms]
    ratios = [np.column_stack((mean, np.ones_like(mean))) for mean in means]
    assert bootstrap_interval(*ratios, draws=500, seed=1) == bootstrap_interval(*means, draws=500, seed=1)


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from([1e-6, 3.0, 1e8]))
def test_the_currency_does_not_matter(seed: int, by: float) -> None:
    rng = np.random.default_rng(seed)
    control, treatment = rng.exponential(size=30), rng.exponential(size=20)
    plain = shown(bootstrap_interval(control, treatment, draws=200, seed=3))
    scaled = shown(bootstrap_interval(by * control, by * treatment, draws=200, seed=3))
    assert (scaled.lower, scaled.upper) == pytest.approx((by * plain.lower, by * plain.upper))
    lifts = [shown(bootstrap_interval(b * control, b * treatment, draws=200, seed=3, compare="lift")) for b in (1, by)]
    assert (lifts[1].lower, lifts[1].upper) == pytest.approx((lifts[0].lower, lifts[0].upper))


def test_a_large_mean_takes_no_digits_from_a_small_spread() -> None:
    # Unix seconds, or cents of a bank: sums of a billion keep a spread of 1 only when they are centred.
    rng = np.random.default_rng(4)
    control, treatment = rng.normal(size=2_000), rng.normal(size=2_000)
    plain = shown(bootstrap_interval(control, treatment, draws=300, seed=3))
    lifted = shown(bootstrap_interval(control + 1e9, treatment + 1e9, draws=300, seed=3))
    assert (lifted.lower, lifted.upper) == pytest.approx((plain.lower, plain.upper), abs=1e-6)


def test_bca_leans_towards_the_long_tail_and_the_percentile_interval_does_not_know_it() -> None:
    rng = np.random.default_rng(6)
    control, treatment = rng.normal(size=100), rng.lognormal(0, 1.2, size=60)
    bca = shown(bootstrap_interval(control, treatment, interval="bca", seed=1))
    percentile = shown(bootstrap_interval(control, treatment, seed=1))
    assert bca.lower > percentile.lower
    assert bca.upper > percentile.upper
    assert (bca.value, bca.se) == (percentile.value, percentile.se)


def test_more_skewness_than_bca_can_correct_is_refused() -> None:
    # One unit of fifty holds everything, and the end asked for is six standard errors away.
    control, treatment = np.arange(10.0) * 1e-9, np.append(np.zeros(49), 1.0)
    got = bootstrap_interval(control, treatment, interval="bca", confidence=1 - 1e-9, draws=200, seed=1)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE


ONE_BUYER = [[5.0, 1.0]] + [[0.0, 0.0]] * 19


@pytest.mark.parametrize(
    ("control", "treatment", "compare", "reason"),
    [
        ([], range(20), "difference", UnavailableReason.NO_UNITS),
        (range(9), range(20), "difference", UnavailableReason.TOO_FEW_UNITS),
        ([1.0] * 19 + [math.nan], range(20), "difference", UnavailableReason.NOT_FINITE),
        ([[1.0, math.inf]] * 20, [[1.0, 2.0]] * 20, "difference", UnavailableReason.NOT_FINITE),
        ([3.0] * 20, [4.0] * 20, "difference", UnavailableReason.NO_VARIANCE),
        ([[3.0, 7.0], [6.0, 14.0]] * 10, [[0.1, 0.3]] * 20, "lift", UnavailableReason.NO_VARIANCE),
        ([[3.0, 0.0]] * 20, [[4.0, 1.0]] * 20, "difference", UnavailableReason.ZERO_DENOMINATOR),
        (ONE_BUYER, [[3.0, 1.0], [5.0, 2.0]] * 10, "difference", UnavailableReason.ZERO_DENOMINATOR),
        ([[3.0, -1.0], [3.0, 2.0]] * 10, [[4.0, 1.0]] * 20, "difference", UnavailableReason.METHOD_NOT_VALID_HERE),
        ([-3.0, -4.0] * 10, range(20), "lift", UnavailableReason.METHOD_NOT_VALID_HERE),
        ([-3.0, 4.0] * 10, range(20), "lift", UnavailableReason.BASELINE_NEAR_ZERO),
    ],
)
def test_where_there_is_nothing_to_resample_the_reason_is_said(
    control: ArrayLike, treatment: ArrayLike, compare: Compare, reason: UnavailableReason
) -> None:
    got = bootstrap_interval(control, treatment, compare=compare, draws=1_000, seed=1)
    assert isinstance(got, Unavailable), got
    assert got.reason is reason
    assert got.detail


def test_impossible_arguments_are_refused() -> None:
    values = np.arange(20.0)
    with pytest.raises(SpecError, match="10 bootstrap draws"):
        bootstrap_interval(values, values, draws=10, seed=1)
    with pytest.raises(SpecError, match="confidence 95"):
        bootstrap_interval(values, values, confidence=95, seed=1)
    unknown: Any = "BCa"  # as scipy calls it
    with pytest.raises(SpecError, match="'percentile' nor 'bca'"):
        bootstrap_interval(values, values, interval=unknown, seed=1)
    with pytest.raises(SpecError, match="'difference' nor 'lift'"):
        bootstrap_interval(values, values, compare=unknown, seed=1)
    with pytest.raises(DataError, match=r"shape \(20, 3\)"):
        bootstrap_interval(np.ones((20, 3)), values, seed=1)


def shown(got: Bootstrapped | Unavailable) -> Bootstrapped:
    assert isinstance(got, Bootstrapped), got
    return got
