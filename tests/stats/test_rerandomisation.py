"""How often equal arms are told apart when units are dealt anew."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.means import difference_in_ratios
from abflow.stats.moments import joint_moments_of
from abflow.stats.random_splits import SplitSums, random_splits
from abflow.stats.rerandomisation import Kind, Rerandomised, rerandomised_aa, rerandomised_p_values
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def clustered() -> Floats:
    """Clicks and views per unit; units differ in how often they click."""
    rng = np.random.default_rng(31)
    views = rng.integers(1, 20, size=4_000)
    clicks = rng.binomial(views, rng.beta(1.0, 4.0, size=4_000))
    return np.column_stack((clicks, views)).astype(np.float64)


def splits_of(features: Floats, shares: tuple[float, ...], *, draws: int, seed: int) -> SplitSums:
    return random_splits(features, np.ones(len(features), dtype=np.int64), shares, draws=draws, seed=seed)


def test_the_p_values_of_means_are_welchs_as_scipy_computes_them() -> None:
    values = np.sort(np.random.default_rng(1).lognormal(size=600))
    got = answered(rerandomised_p_values("mean", values, (1, 2, 1), draws=50, seed=9))
    # The values sort as they are grouped, so that the same seed deals the same splits.
    seen = splits_of(np.column_stack((values, values**2)), (1, 2, 1), draws=50, seed=9)
    n = seen.units
    mean = seen.sums[:, :, 0] / n
    sd = np.sqrt((seen.sums[:, :, 1] - n * mean**2) / (n - 1))
    for arm in (1, 2):
        want = stats.ttest_ind_from_stats(mean[:, 0], sd[:, 0], n[:, 0], mean[:, arm], sd[:, arm], n[:, arm], False)
        assert got[arm - 1] == pytest.approx(want.pvalue, rel=1e-3)


def test_the_p_values_of_rates_are_those_of_the_pooled_z_test() -> None:
    # 300 units with and 700 without the event: a split is two numbers, and so is its p-value.
    got = answered(rerandomised_p_values("proportion", np.arange(1_000) < 300, (1, 1), draws=200, seed=9))
    seen = random_splits(np.array([[0.0], [1.0]]), np.array([700, 300]), (1, 1), draws=200, seed=9)
    n, events = seen.units, seen.sums[:, :, 0]
    se = math.sqrt(0.3 * 0.7) * np.sqrt(1 / n[:, 0] + 1 / n[:, 1])
    z = (events[:, 1] / n[:, 1] - events[:, 0] / n[:, 0]) / se
    assert got[0] == pytest.approx(2 * stats.norm.sf(np.abs(z)))


def test_the_p_values_of_ratios_are_those_of_the_delta_method() -> None:
    # Deng, Knoblich, Lu (2018): var(x/y) = (var x - 2 R cov + R² var y) / (n ȳ²), from sums of the same splits.
    rng = np.random.default_rng(1)
    y = rng.integers(1, 9, size=800).astype(np.float64)
    x = y * rng.lognormal(size=800)
    x, y = x[np.argsort(x)], y[np.argsort(x)]
    got = answered(rerandomised_p_values("ratio", np.column_stack((x, y)), (2, 1), draws=50, seed=9))
    seen = splits_of(np.column_stack((x, y, x * x, y * y, x * y)), (2, 1), draws=50, seed=9)
    n = seen.units
    mean_x, mean_y, xx, yy, xy = np.moveaxis(seen.sums / n[:, :, np.newaxis], 2, 0)
    ratio = mean_x / mean_y
    spread = xx - mean_x**2 - 2 * ratio * (xy - mean_x * mean_y) + ratio**2 * (yy - mean_y**2)
    sd = np.sqrt(spread * n / (n - 1)) / mean_y
    want = stats.ttest_ind_from_stats(ratio[:, 0], sd[:, 0], n[:, 0], ratio[:, 1], sd[:, 1], n[:, 1], False)
    assert got[0] == pytest.approx(want.pvalue, rel=1e-3)


def test_the_ratios_error_is_that_of_clustered_least_squares(clustered: Floats) -> None:
    # statsmodels, rows on a constant and the arm, errors clustered by unit: the delta method to 0.1 %.
    treated = np.random.default_rng(7).random(len(clustered)) < 0.5
    views = clustered[:, 1].astype(int)
    rows = np.concatenate([[1.0] * int(c) + [0.0] * (v - int(c)) for c, v in zip(clustered[:, 0], views, strict=True)])
    arm = np.repeat(treated, views).astype(float)
    unit = np.repeat(np.arange(len(views)), views)
    want = sm.OLS(rows, sm.add_constant(arm)).fit(cov_type="cluster", cov_kwds={"groups": unit})
    control, treatment = clustered[~treated], clustered[treated]
    got = difference_in_ratios(joint_moments_of(*control.T), joint_moments_of(*treatment.T))
    assert isinstance(got, Estimate)
    assert got.value == pytest.approx(want.params[1], rel=1e-9)
    assert got.se == pytest.approx(want.bse[1], rel=1e-3)


@pytest.mark.parametrize("shares", [(1.0, 1.0), (9.0, 1.0), (2.0, 1.0, 1.0)])
@pytest.mark.parametrize("kind", ["proportion", "mean", "ratio"])
def test_equal_arms_are_told_apart_one_time_in_twenty(kind: Kind, shares: tuple[float, ...], clustered: Floats) -> None:
    values = {"proportion": clustered[:, 0] > 1, "mean": clustered[:, 0], "ratio": clustered}[kind]
    for one in told(rerandomised_aa(kind, values, shares, seed=5)):
        assert one.draws == sum(one.histogram) == 1_000
        assert 0.05 * 1_000 - 3.29 * 6.9 <= one.rejections <= 0.05 * 1_000 + 3.29 * 6.9
        assert one.uniformity_p > 0.001


def test_rows_taken_for_units_are_told_apart_far_more_often(clustered: Floats) -> None:
    # Units are dealt, but every view is tested as if it had come on its own.
    clicks, views = clustered.T
    seen = splits_of(clustered, (1, 1), draws=1_000, seed=5)
    events, rows = seen.sums[:, :, 0], seen.sums[:, :, 1]
    rate = clicks.sum() / views.sum()
    se = math.sqrt(rate * (1 - rate)) * np.sqrt(1 / rows[:, 0] + 1 / rows[:, 1])
    z = np.abs(events[:, 1] / rows[:, 1] - events[:, 0] / rows[:, 0]) / se
    assert np.count_nonzero(2 * stats.norm.sf(z) < 0.05) > 79


def test_the_histogram_and_its_test_are_scipys() -> None:
    values = np.random.default_rng(1).normal(size=500)
    p_values = answered(rerandomised_p_values("mean", values, (1, 1), seed=2))
    (got,) = told(rerandomised_aa("mean", values, (1, 1), seed=2))
    assert got.rejections == sum(p < 0.05 for p in p_values[0])
    assert got.histogram == tuple(np.bincount(np.minimum((p_values[0] * 10).astype(int), 9), minlength=10))
    assert got.uniformity_p == pytest.approx(stats.chisquare(got.histogram).pvalue)


def test_few_events_are_tested_as_in_the_readout_and_never_rejected_too_often() -> None:
    # Six events: Fisher's test, as in the readout, which is discrete: the p-values are not uniform, and rightly so.
    (got,) = told(rerandomised_aa("proportion", np.arange(5_000) < 6, (1, 1), seed=4))
    assert got.rejections <= 64
    assert got.uniformity_p < 0.001


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.sampled_from([1e-9, 250.0]), st.sampled_from([0.0, 1e6]))
def test_neither_the_currency_nor_a_constant_added_matters(seed: int, by: float, plus: float) -> None:
    values = np.random.default_rng(seed).exponential(size=300)
    plain = answered(rerandomised_p_values("mean", values, (1, 1), draws=30, seed=6))
    moved = answered(rerandomised_p_values("mean", by * (values + plus), (1, 1), draws=30, seed=6))
    assert moved == pytest.approx(plain, rel=1e-3)


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_the_order_of_the_units_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.exponential(size=300)
    one, other = (rerandomised_p_values("mean", each, (1, 1), draws=30, seed=6) for each in (values, values[::-1]))
    assert np.array_equal(answered(one), answered(other))


def test_columns_may_lie_in_memory_as_they_like(clustered: Floats) -> None:
    by_column = np.asfortranarray(clustered)
    one, other = (rerandomised_p_values("ratio", each, (1, 1), draws=20, seed=6) for each in (clustered, by_column))
    assert np.array_equal(answered(one), answered(other))


@pytest.mark.parametrize(
    ("kind", "values", "reason"),
    [
        ("mean", [], UnavailableReason.NO_UNITS),
        ("mean", [4.0] * 12, UnavailableReason.TOO_FEW_UNITS),
        ("mean", [4.0] * 500, UnavailableReason.NO_VARIANCE),
        ("proportion", [0.0] * 500, UnavailableReason.NO_VARIANCE),
        ("proportion", [0.0, 7.0] * 50, UnavailableReason.METHOD_NOT_VALID_HERE),
        ("ratio", [[1.0, 0.0]] * 500, UnavailableReason.ZERO_DENOMINATOR),
        ("ratio", [[1.0, 0.0]] * 500 + [[1.0, 9.0]] * 2, UnavailableReason.METHOD_NOT_VALID_HERE),
        ("mean", [4.0] * 500 + [math.nan], UnavailableReason.NOT_FINITE),
        ("mean", [4.0] * 500 + [1e200], UnavailableReason.NOT_FINITE),
        ("ratio", [[1.0, 2.0]] * 500 + [[math.inf, 1.0]], UnavailableReason.NOT_FINITE),
    ],
)
def test_what_the_metrics_test_refuses_is_not_tested(
    kind: Kind, values: list[float], reason: UnavailableReason
) -> None:
    got = rerandomised_aa(kind, values, (1, 1), draws=20, seed=1)
    assert isinstance(got, Unavailable), got
    assert got.reason is reason
    assert got.detail


@pytest.mark.parametrize(("kind", "values"), [("mean", np.ones((20, 2))), ("ratio", np.ones(20)), ("mean", 3.0)])
def test_values_of_the_wrong_shape_are_refused(kind: Kind, values: ArrayLike) -> None:
    with pytest.raises(DataError, match="needs"):
        rerandomised_aa(kind, values, (1, 1), seed=1)


def test_one_arm_alone_is_refused() -> None:
    with pytest.raises(SpecError, match="two arms or more"):
        rerandomised_aa("mean", np.arange(100.0), (1,), seed=1)


def answered(got: Floats | Unavailable) -> Floats:
    assert not isinstance(got, Unavailable), got
    return got


def told(got: tuple[Rerandomised, ...] | Unavailable) -> tuple[Rerandomised, ...]:
    assert not isinstance(got, Unavailable), got
    return got
