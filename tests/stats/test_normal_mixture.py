"""Robbins' normal mixture and the test made of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from abflow.errors import SpecError
from abflow.stats.confidence_sequence import (
    SequenceBounds,
    always_valid_p,
    one_sided_multiplier,
    rho2,
    sequence_bounds,
    two_sided_multiplier,
)
from abflow.stats.normal_mixture import (
    always_valid_estimate,
    log_mixture,
    mixing_sd,
    normal_mixture_bound,
    normal_mixture_rho,
)
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

values, ses, sds = st.floats(-5, 5), st.floats(0.05, 3), st.floats(0.05, 3)
levels = st.floats(0.001, 0.3)


def test_the_two_sided_mixture_reproduces_confseq() -> None:
    # confseq, test/uniform_boundaries_unittest.cpp, values from its reference implementation in R.
    rho = normal_mixture_rho(100, alpha=0.05)
    assert rho == pytest.approx(12.60056, abs=1e-5)
    assert log_mixture(10, 100, rho=rho) == pytest.approx(-0.6510052, abs=1e-6)
    assert normal_mixture_bound(100, alpha=0.05, rho=rho) == pytest.approx(30.35209, abs=1e-5)


# What confseq 0.0.11 answers, its C++ compiled against a newer pybind11, because its own does not build on Python 3.11:
# score, variance, variance and alpha that it is tuned at, alpha; normal_log_mixture, normal_mixture_bound.
CONFSEQ = [
    (
        -31.89048287071,
        91.12579545501,
        26.778593491,
        0.02023718681108,
        0.001436379711427,
        3.643638886651,
        39.51551673641,
    ),
    (-8.807302711552, 11.8804287649, 1.199521258994, 0.1023118168758, 0.0036508526628, 1.140107469838, 13.62180084912),
    (
        -2970.105862922,
        491690.2654957,
        941605.5573859,
        0.01344721714981,
        0.002298684766041,
        6.67842567577,
        2850.295458574,
    ),
    (
        24.82077426742,
        1532.67362201,
        6444.124905767,
        0.1211459045922,
        0.06011799042039,
        -0.3200016569561,
        130.7113314891,
    ),
    (
        -728.4280574755,
        116370.2507964,
        10677.48210443,
        0.001424542635055,
        0.001186938463139,
        -0.3091642780033,
        1476.462181602,
    ),
    (
        -326.5017968191,
        56310.76047667,
        156013.9461586,
        0.01363320021688,
        0.1285732792281,
        -0.04226865060664,
        634.4908488579,
    ),
    (
        12.29584322554,
        144.4465694596,
        19265.34992347,
        0.162418988763,
        0.175957641476,
        0.0005136916223714,
        116.6248516376,
    ),
    (
        -3.416895812616,
        1.223913940882,
        187585.8009787,
        0.001713524598617,
        0.003317177102853,
        0.0004278035780515,
        373.447181335,
    ),
]


@pytest.mark.parametrize("row", CONFSEQ)
def test_mixtures_tuned_anywhere_are_those_of_confseq(row: tuple[float, ...]) -> None:
    score, variance, tuned_at, tuned_alpha, alpha, log_value, bound = row
    rho = normal_mixture_rho(tuned_at, alpha=tuned_alpha)
    assert log_mixture(score, variance, rho=rho) == pytest.approx(log_value, rel=1e-9)
    assert normal_mixture_bound(variance, alpha=alpha, rho=rho) == pytest.approx(bound, rel=1e-11)


@settings(deadline=None, max_examples=30)
@given(values, st.floats(0.1, 50), st.floats(0.2, 20))
def test_the_mixture_is_an_average_of_likelihood_ratios(score: float, variance: float, rho: float) -> None:
    sd = 1 / math.sqrt(rho)

    def weighted(effect: float) -> float:
        return float(math.exp(effect * score - effect * effect * variance / 2) * stats.norm.pdf(effect, scale=sd))

    average, _ = integrate.quad(weighted, -20 * sd, 20 * sd, epsabs=0, epsrel=1e-9, limit=200)
    assert log_mixture(score, variance, rho=rho) == pytest.approx(math.log(average), abs=1e-7)


@given(st.floats(0, 1e6), levels, st.floats(0.01, 1e4))
def test_at_its_bound_the_mixture_reaches_one_over_alpha(variance: float, alpha: float, rho: float) -> None:
    bound = normal_mixture_bound(variance, alpha=alpha, rho=rho)
    assert log_mixture(bound, variance, rho=rho) == pytest.approx(-math.log(alpha), rel=1e-9)


@given(st.floats(0.1, 1e5), levels)
def test_no_other_tuning_is_much_tighter(variance: float, alpha: float) -> None:
    rho = normal_mixture_rho(variance, alpha=alpha)
    tuned = normal_mixture_bound(variance, alpha=alpha, rho=rho)
    for by in (0.25, 0.7, 1.5, 4):
        assert tuned <= normal_mixture_bound(variance, alpha=alpha, rho=rho * by) * 1.002


@given(values, ses, sds)
def test_the_p_value_is_that_of_the_paper(value: float, se: float, sd: float) -> None:
    # Johari et al., the mixture of a normal prior: sqrt(V / (V + t²)) · exp(t² θ² / (2 V (V + t²))), V = SE².
    variance, mixed = se * se, sd * sd
    log_ratio = 0.5 * math.log(variance / (variance + mixed)) + mixed * value * value / (
        2 * variance * (variance + mixed)
    )
    assert estimated(value, se, sd=sd).p_value == pytest.approx(min(1.0, math.exp(-log_ratio)), rel=1e-9)


@given(values, ses, sds, st.floats(0.5, 0.99))
def test_the_interval_leaves_0_out_just_when_the_p_value_is_small(
    value: float, se: float, sd: float, confidence: float
) -> None:
    got = estimated(value, se, sd=sd, confidence=confidence)
    if abs(got.p_value - (1 - confidence)) > 1e-9:
        assert (got.lower > 0 or got.upper < 0) == (got.p_value < 1 - confidence)


@given(values, ses, st.integers(200, 10**6), st.floats(0.1, 5), st.floats(0.005, 0.2))
def test_with_the_same_tuning_it_is_the_confidence_sequence(
    value: float, se: float, planned: int, progress: float, alpha: float
) -> None:
    n = max(200, round(planned * progress))
    sequence = sequence_bounds(value, se, units=(n - n // 2, n // 2), nonzero=n, planned=planned, alpha=alpha)
    assert isinstance(sequence, SequenceBounds)
    # A unit of information is a pair's, so the error at the planned end is known: the mixture is tuned to it.
    got = estimated(value, se, sd=mixing_sd(se * math.sqrt(n / planned), alpha=alpha), confidence=1 - alpha)
    assert (got.lower, got.upper) == pytest.approx(sequence.two_sided, rel=1e-9, abs=1e-9)
    assert got.p_value == pytest.approx(always_valid_p(value, se, n=n, planned=planned, alpha=alpha), rel=1e-7)


@given(st.integers(1, 10**6), st.integers(1, 10**6), levels)
def test_the_multiplier_of_the_sequence_is_robbins_bound(n: int, planned: int, alpha: float) -> None:
    rho = normal_mixture_rho(planned, alpha=alpha)
    assert rho == pytest.approx(1 / rho2(alpha, planned=planned))
    want = normal_mixture_bound(n, alpha=alpha, rho=rho) / math.sqrt(n)
    assert two_sided_multiplier(n, alpha=alpha, planned=planned) == pytest.approx(want, rel=1e-9)


def test_the_one_sided_sequence_lies_just_above_the_exact_one_sided_mixture() -> None:
    # confseq, the same tests: the half-normal mixture's bound at variance 100 is 27.66071.
    ours = 10 * one_sided_multiplier(100, alpha=0.05, planned=100)
    assert 27.66071 < ours < 1.01 * 27.66071


def test_p_values_never_rise_from_look_to_look() -> None:
    p, seen = 1.0, []
    for value, se in ((0.1, 1.0), (1.9, 0.5), (0.3, 0.3), (0.9, 0.2)):
        p = estimated(value, se, sd=1.0, p_before=p).p_value
        seen.append(p)
    assert seen == sorted(seen, reverse=True)
    assert seen[1] == seen[2] > seen[3]


@given(values, ses, sds, st.sampled_from([1e-150, 1e-3, 1e150]))
def test_the_unit_does_not_matter(value: float, se: float, sd: float, by: float) -> None:
    plain, scaled = estimated(value, se, sd=sd), estimated(value * by, se * by, sd=sd * by)
    assert (scaled.lower / by, scaled.upper / by) == pytest.approx((plain.lower, plain.upper), rel=1e-9, abs=1e-12)
    assert scaled.p_value == pytest.approx(plain.p_value, rel=1e-9)


@pytest.mark.parametrize(
    ("value", "se", "reason"),
    [
        (math.inf, 1.0, UnavailableReason.NOT_FINITE),
        (1.0, math.nan, UnavailableReason.NOT_FINITE),
        (1.0, 0.0, UnavailableReason.NO_VARIANCE),
    ],
)
def test_effects_without_an_error_have_no_p_value(value: float, se: float, reason: UnavailableReason) -> None:
    got = always_valid_estimate(value, se, sd=1.0)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_impossible_tunings_are_refused() -> None:
    for sd, p_before in ((0.0, 1.0), (math.inf, 1.0), (1.0, 1.2), (1.0, math.nan)):
        with pytest.raises(SpecError, match="mixing sd"):
            always_valid_estimate(0.1, 0.1, sd=sd, p_before=p_before)
    with pytest.raises(SpecError, match="standard error 0"):
        mixing_sd(0.0, alpha=0.05)
    with pytest.raises(SpecError, match="variance 0"):
        normal_mixture_rho(0.0, alpha=0.05)
    with pytest.raises(SpecError, match="rho 0"):
        normal_mixture_bound(1.0, alpha=0.05, rho=0.0)
    with pytest.raises(SpecError, match="alpha 1"):
        normal_mixture_bound(1.0, alpha=1.0, rho=1.0)


def estimated(value: float, se: float, *, sd: float, confidence: float = 0.95, p_before: float = 1.0) -> Estimate:
    got = always_valid_estimate(value, se, sd=sd, confidence=confidence, p_before=p_before)
    assert isinstance(got, Estimate), got
    return got


@pytest.mark.parametrize("se", [0.0, -1.0, math.nan, math.inf])
def test_nothing_is_tuned_to_an_error_that_cannot_be(se: float) -> None:
    with pytest.raises(SpecError, match="standard error"):
        mixing_sd(se, alpha=0.05)
