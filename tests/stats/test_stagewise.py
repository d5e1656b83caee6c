"""Reading an effect after several looks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.group_sequential import Look, next_look, wang_tsiatis_bounds
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.stagewise import StagewiseEstimate, stagewise_estimate, stagewise_p_value
from abflow.stats.tails import normal_isf, normal_sf

zs = st.floats(-6, 6)
fraction_lists = st.sampled_from([(1.0,), (0.5, 1.0), (0.2, 0.7, 1.0), (0.3, 0.6, 1.3), (0.1, 0.4, 0.8, 0.95)])


def test_a_test_that_ended_at_its_third_look_reproduces_rpact() -> None:
    # rpact, test-f_analysis_base_survival.R: Wang-Tsiatis 0.25 at 0.2, 0.4 and 1, log-rank 2.9 on 38 events.
    fractions = (0.2, 0.4, 1.0)
    bounds = wang_tsiatis_bounds(fractions, alpha=0.05, shape=0.25)
    looks = [Look(fraction=f, bound=b, spent=0.0) for f, b in zip(fractions, bounds, strict=True)]
    se = 2 / math.sqrt(38)
    got = read(stagewise_estimate(2.9 * se, se, looks=looks, last=True))
    # rpact tests one side only; the second side moves the seventh digit.
    assert got.estimate.p_value == pytest.approx(2 * 0.0074535505, abs=1e-7)
    ratios = [math.exp(end) for end in (got.estimate.lower, got.estimate.upper, got.median_unbiased)]
    assert ratios == pytest.approx([1.222663, 4.752454, 2.4764002], abs=1e-6)
    assert math.exp(got.estimate.value) == pytest.approx(2.5622461, abs=1e-7)


@pytest.mark.parametrize("z", [-2.3, 0.4, 2.2])
def test_two_looks_agree_with_the_bivariate_normal(z: float) -> None:
    looks = plan((0.4, 1.0))
    bound, correlation = looks[0].bound, math.sqrt(0.4)
    both = stats.multivariate_normal(cov=[[1, correlation], [correlation, 1]])
    went_on = both.cdf([bound, -z]) - both.cdf([-bound, -z])
    up = normal_sf(bound) + went_on
    got = read(stagewise_estimate(z, 1.0, looks=looks, last=True))
    assert got.estimate.p_value == pytest.approx(2 * min(up, 1 - up), abs=1e-8)


@settings(deadline=None)
@given(zs, st.floats(0.5, 0.999), st.floats(1e-6, 1e6))
def test_one_look_gives_the_fixed_interval(z: float, confidence: float, se: float) -> None:
    looks = plan((1.0,))
    got = read(stagewise_estimate(z * se, se, looks=looks, last=True, confidence=confidence))
    half = normal_isf((1 - confidence) / 2)
    ends = [end / se for end in (got.estimate.lower, got.estimate.upper, got.median_unbiased)]
    assert ends == pytest.approx([z - half, z + half, z], abs=1e-9)
    assert got.estimate.p_value == pytest.approx(2 * normal_sf(abs(z)), rel=1e-9)
    assert (got.estimate.value, got.estimate.se) == (z * se, se)


@settings(deadline=None, max_examples=25)
@given(zs, fraction_lists, st.sampled_from([0.8, 0.95, 0.99]))
def test_the_ends_of_the_interval_are_the_effects_just_not_rejected(
    z: float, fractions: tuple[float, ...], confidence: float
) -> None:
    looks = plan(fractions)
    got = read(stagewise_estimate(z * 2.0, 2.0, looks=looks, last=True, confidence=confidence))
    for end in (got.estimate.lower, got.estimate.upper):
        assert p_of(z * 2.0, 2.0, looks, effect=end) == pytest.approx(1 - confidence, abs=1e-8)
    assert p_of(z * 2.0, 2.0, looks, effect=got.median_unbiased) == pytest.approx(1, abs=1e-8)
    assert got.estimate.lower < got.median_unbiased < got.estimate.upper
    assert p_of(z * 2.0, 2.0, looks, effect=0.0) == pytest.approx(got.estimate.p_value, rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(zs, fraction_lists, st.integers(0, 3))
def test_the_interval_leaves_0_out_just_when_a_bound_was_crossed(
    z: float, fractions: tuple[float, ...], stop: int
) -> None:
    looks = plan(fractions)[: stop + 1]
    got = read(stagewise_estimate(z, 1.0, looks=looks, last=True))
    crossed = abs(z) >= looks[-1].bound
    if abs(abs(z) - looks[-1].bound) > 1e-6:
        if len(looks) == len(fractions):
            assert crossed == (got.estimate.p_value < 0.05)
            assert crossed == (got.estimate.lower > 0 or got.estimate.upper < 0)
        elif crossed:
            assert got.estimate.p_value <= 0.05


@settings(deadline=None, max_examples=25)
@given(zs, fraction_lists, st.sampled_from([1e-3, 7.0]))
def test_sign_and_unit_do_not_matter(z: float, fractions: tuple[float, ...], by: float) -> None:
    looks = plan(fractions)
    there = read(stagewise_estimate(z, 1.0, looks=looks, last=True))
    back = read(stagewise_estimate(-z * by, by, looks=looks, last=True))
    assert (back.estimate.lower, back.estimate.upper, back.median_unbiased) == pytest.approx(
        (-there.estimate.upper * by, -there.estimate.lower * by, -there.median_unbiased * by), abs=1e-8 * by
    )
    assert back.estimate.p_value == pytest.approx(there.estimate.p_value)


def test_the_same_z_is_stronger_the_earlier_it_came() -> None:
    looks = plan((0.3, 0.6, 1.0))
    p = [p_of(4.5, 1.0, looks[:stop], effect=0.0) for stop in (1, 2, 3)]
    assert p[0] < p[1] < p[2]
    assert p[0] == pytest.approx(2 * normal_sf(4.5))


def test_an_early_stop_is_read_with_less_than_its_plain_effect() -> None:
    # A test that ends for a large effect overstates it; the median-unbiased estimate takes that back.
    looks = plan((0.3, 0.6, 1.0))
    got = read(stagewise_estimate(3.0, 1.0, looks=looks[:2], last=False))
    assert 2.5 < got.median_unbiased < 3.0
    assert got.estimate.value == 3.0


@pytest.mark.parametrize("z", [40.0, 1e6, 1e200])
def test_effects_of_any_size_are_read(z: float) -> None:
    for stop in (1, 2, 3):
        got = read(stagewise_estimate(z, 1.0, looks=plan((0.3, 0.6, 1.0))[:stop], last=False))
        assert 0 < got.estimate.lower <= got.median_unbiased <= got.estimate.upper < math.inf
        assert 0 <= got.estimate.p_value < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("drift", [0.0, 2.8, 5.0])
def test_half_of_all_median_unbiased_estimates_lie_above_the_truth(drift: float) -> None:
    runs, fractions = 150, np.array([0.4, 0.7, 1.0])
    looks = plan(tuple(fractions.tolist()))
    rng = np.random.default_rng(20_261_123)
    steps = rng.normal(size=(runs, 3)) * np.sqrt(np.diff(fractions, prepend=0))
    z = (steps.cumsum(axis=1) + drift * fractions) / np.sqrt(fractions)
    above = 0
    for path in z:
        stop = next((k for k, look in enumerate(looks) if look.crossed(path[k])), 2)
        se = 1 / math.sqrt(fractions[stop])
        got = read(stagewise_estimate(path[stop] * se, se, looks=looks[: stop + 1], last=stop == 2))
        above += got.median_unbiased > drift
    assert above / runs == pytest.approx(0.5, abs=3.29 * math.sqrt(0.25 / runs))


def test_a_test_that_goes_on_is_not_read() -> None:
    got = stagewise_estimate(1.0, 1.0, looks=plan((0.5, 1.0))[:1], last=False)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE
    assert "when the test has ended" in got.detail


@pytest.mark.parametrize(
    ("value", "se", "reason"),
    [
        (math.nan, 1.0, UnavailableReason.NOT_FINITE),
        (1.0, math.inf, UnavailableReason.NOT_FINITE),
        (1e200, 1e-200, UnavailableReason.NOT_FINITE),
        (1.0, 0.0, UnavailableReason.NO_VARIANCE),
    ],
)
def test_effects_without_an_error_are_not_read(value: float, se: float, reason: UnavailableReason) -> None:
    looks = plan((0.5, 1.0))
    for got in (stagewise_estimate(value, se, looks=looks, last=True), stagewise_p_value(value, se, looks=looks)):
        assert isinstance(got, Unavailable)
        assert got.reason is reason


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(SpecError, match="no look was taken"):
        stagewise_estimate(1.0, 1.0, looks=(), last=True)
    with pytest.raises(SpecError, match=r"confidence 0\.05"):
        stagewise_estimate(1.0, 1.0, looks=plan((1.0,)), last=True, confidence=0.05)


def plan(fractions: tuple[float, ...]) -> tuple[Look, ...]:
    looks: tuple[Look, ...] = ()
    for fraction in fractions:
        look = next_look(looks, fraction, alpha=0.05, last=fraction == fractions[-1])
        assert isinstance(look, Look)
        looks = (*looks, look)
    return looks


def p_of(value: float, se: float, looks: Sequence[Look], *, effect: float) -> float:
    got = stagewise_p_value(value, se, looks=looks, effect=effect)
    assert isinstance(got, float)
    return got


def read(got: StagewiseEstimate | Unavailable) -> StagewiseEstimate:
    assert isinstance(got, StagewiseEstimate), got
    return got
