"""Is an arm at most a margin worse?"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.moments import EMPTY, Moments, joint_moments_of, moments_of
from abflow.stats.noninferiority import MarginBounds, margin_bounds
from abflow.stats.result import Unavailable, UnavailableReason

CONTROL = [4.1, 5.3, 6.2, 3.9, 5.0, 4.4, 7.1, 5.5, 4.9, 6.6, 5.2]
TREATMENT = [4.6, 5.9, 5.1, 4.2, 4.8, 6.3, 5.7, 6.9, 4.0, 5.6, 4.3, 6.1]
samples = st.lists(st.floats(min_value=1, max_value=1e3), min_size=10, max_size=30)
arms = st.integers(20, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
signs: st.SearchStrategy[Literal[1, -1]] = st.sampled_from((1, -1))


@pytest.mark.parametrize("sign", [1, -1])
def test_an_absolute_margin_is_a_one_sided_t_test_of_the_shifted_control(sign: Literal[1, -1]) -> None:
    got = bounds(
        margin_bounds(moments_of(CONTROL), moments_of(TREATMENT), kind="mean", sign=sign, margin=0.5, relative=False)
    )
    want = stats.ttest_ind(
        sign * np.array(TREATMENT), sign * np.array(CONTROL) - 0.5, equal_var=False, alternative="greater"
    )
    assert got.p_value == pytest.approx(want.pvalue, rel=1e-9)
    assert got.slack.lower == pytest.approx(want.confidence_interval(0.95).low, rel=1e-9)
    assert got.effect.lower == pytest.approx(got.slack.lower - 0.5)


@pytest.mark.parametrize(("sign", "margin", "left_over"), [(1, -0.1, 0.9), (-1, 0.1, 1.1)])
def test_a_relative_margin_is_a_one_sided_t_test_of_the_scaled_control(
    sign: Literal[1, -1], margin: float, left_over: float
) -> None:
    got = bounds(
        margin_bounds(moments_of(CONTROL), moments_of(TREATMENT), kind="mean", sign=sign, margin=margin, relative=True)
    )
    want = stats.ttest_ind(
        sign * np.array(TREATMENT),
        sign * left_over * np.array(CONTROL),
        equal_var=False,
        alternative="greater",
    )
    assert got.p_value == pytest.approx(want.pvalue, rel=1e-9)
    assert got.slack.lower == pytest.approx(want.confidence_interval(0.95).low, rel=1e-9)
    assert got.margin == pytest.approx(0.1 * np.mean(CONTROL))


def test_bounds_of_rates_at_975_are_newcombes_interval() -> None:
    # Newcombe (1998), table II, method 10: 56/70 against 48/80, 0.0524 to 0.3339.
    got = bounds(
        margin_bounds(
            rate(48, 80),
            rate(56, 70),
            kind="proportion",
            sign=1,
            margin=-0.1,
            relative=False,
            confidence=0.975,
        )
    )
    assert (got.effect.lower, got.effect.upper) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (got.slack.lower, got.slack.upper) == pytest.approx((0.1524, 0.4339), abs=5e-5)


def test_less_is_better_turns_the_effect() -> None:
    got = bounds(
        margin_bounds(
            rate(48, 80),
            rate(56, 70),
            kind="proportion",
            sign=-1,
            margin=0.1,
            relative=False,
            confidence=0.975,
        )
    )
    assert (got.effect.lower, got.effect.upper) == pytest.approx((-0.3339, -0.0524), abs=5e-5)


@given(arms, arms, signs, st.floats(0.01, 0.5), st.booleans())
def test_a_rate_is_safe_exactly_when_its_p_value_is_below_the_level(
    left: tuple[int, int], right: tuple[int, int], sign: Literal[1, -1], margin: float, relative: bool
) -> None:
    got = bounds(
        margin_bounds(rate(*left), rate(*right), kind="proportion", sign=sign, margin=margin, relative=relative)
    )
    assume(abs(got.slack.lower) > 1e-9)
    assert got.safe == (got.p_value < 0.05)
    assert got.harmed == (got.slack.upper < 0)
    assert got.slack.lower <= got.slack.value <= got.slack.upper


@given(arms, arms, signs, st.floats(0.01, 0.3))
def test_the_p_value_is_the_level_at_which_the_bound_touches_zero(
    left: tuple[int, int], right: tuple[int, int], sign: Literal[1, -1], margin: float
) -> None:
    def at(confidence: float) -> MarginBounds:
        return bounds(
            margin_bounds(
                rate(*left),
                rate(*right),
                kind="proportion",
                sign=sign,
                margin=margin,
                relative=False,
                confidence=confidence,
            )
        )

    p = at(0.95).p_value
    assume(1e-6 < p < 1 - 1e-6)
    touching = at(1 - p).slack.lower if p < 0.5 else at(p).slack.upper
    assert touching == pytest.approx(0, abs=1e-8)


@given(samples, samples, signs, st.floats(0.01, 0.5), st.sampled_from([1e-3, 0.5, 1e3]))
def test_a_relative_margin_does_not_depend_on_the_unit(
    left: list[float], right: list[float], sign: Literal[1, -1], margin: float, by: float
) -> None:
    control, treatment = moments_of(left), moments_of(right)
    plain = margin_bounds(control, treatment, kind="mean", sign=sign, margin=margin, relative=True)
    assume(isinstance(plain, MarginBounds))
    scaled = bounds(
        margin_bounds(control.scaled(by), treatment.scaled(by), kind="mean", sign=sign, margin=margin, relative=True)
    )
    assert scaled.p_value == pytest.approx(bounds(plain).p_value, rel=1e-6, abs=1e-300)


@given(arms, arms, signs, st.floats(0.01, 0.2), st.floats(0.01, 0.2))
def test_a_wider_margin_is_never_harder_to_keep(
    left: tuple[int, int], right: tuple[int, int], sign: Literal[1, -1], narrow: float, more: float
) -> None:
    def p_of(margin: float) -> float:
        return bounds(
            margin_bounds(rate(*left), rate(*right), kind="proportion", sign=sign, margin=margin, relative=False)
        ).p_value

    assert p_of(narrow + more) <= p_of(narrow) + 1e-12


def test_no_failed_call_in_either_arm_can_be_safe() -> None:
    few = margin_bounds(rate(0, 100), rate(0, 100), kind="proportion", sign=-1, margin=0.005, relative=False)
    many = margin_bounds(rate(0, 5000), rate(0, 5000), kind="proportion", sign=-1, margin=0.005, relative=False)
    assert not bounds(few).safe
    assert bounds(many).safe


def test_worse_within_the_margin_is_safe_and_beyond_it_harmed() -> None:
    def verdict(failures: int) -> tuple[bool, bool]:
        got = bounds(
            margin_bounds(
                rate(500, 50_000),
                rate(failures, 50_000),
                kind="proportion",
                sign=-1,
                margin=0.005,
                relative=False,
            )
        )
        return got.safe, got.harmed

    assert verdict(620) == (True, False)
    assert verdict(760) == (False, False)
    assert verdict(900) == (False, True)


def test_ratios_are_compared_as_linearised_units() -> None:
    x, y = np.arange(40.0), np.full(40, 4.0)
    linear = joint_moments_of(x, y).linearised()
    plain = bounds(margin_bounds(linear, linear, kind="mean", sign=1, margin=-0.02, relative=True, confidence=0.9))
    mean = moments_of(x / 4)
    want = bounds(margin_bounds(mean, mean, kind="mean", sign=1, margin=-0.02, relative=True, confidence=0.9))
    assert plain.p_value == pytest.approx(want.p_value)


@pytest.mark.parametrize(
    ("control", "treatment", "relative", "reason"),
    [
        (EMPTY, moments_of(CONTROL), False, UnavailableReason.NO_UNITS),
        (moments_of(CONTROL), moments_of([1.0]), False, UnavailableReason.TOO_FEW_UNITS),
        (moments_of([2.0] * 30), moments_of([2.0] * 30), False, UnavailableReason.NO_VARIANCE),
        (moments_of([math.inf] * 30), moments_of(CONTROL), False, UnavailableReason.NOT_FINITE),
        (
            moments_of(CONTROL).scaled(-1),
            moments_of(TREATMENT),
            True,
            UnavailableReason.METHOD_NOT_VALID_HERE,
        ),
    ],
)
def test_what_cannot_be_bounded_says_why(
    control: Moments, treatment: Moments, relative: bool, reason: UnavailableReason
) -> None:
    got = margin_bounds(control, treatment, kind="mean", sign=1, margin=-0.1, relative=relative)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_a_rate_must_be_a_rate() -> None:
    got = margin_bounds(
        moments_of(CONTROL), moments_of(CONTROL), kind="proportion", sign=1, margin=-0.1, relative=False
    )
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.METHOD_NOT_VALID_HERE


def test_a_margin_must_be_finite() -> None:
    with pytest.raises(SpecError, match="margin inf"):
        margin_bounds(moments_of(CONTROL), moments_of(CONTROL), kind="mean", sign=1, margin=math.inf, relative=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "margin", "relative"), [(0.1, 0.01, False), (0.5, 0.02, False), (0.1, 0.1, True), (0.5, 0.05, True)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_loss_of_exactly_the_margin_is_called_safe_one_time_in_twenty(
    p: float, margin: float, relative: bool, sign: Literal[1, -1]
) -> None:
    runs, n = 1_000, 5_000
    rng = np.random.default_rng(20_261_006)
    worse = p * (1 - sign * margin) if relative else p - sign * margin
    called_safe = sum(
        bounds(
            margin_bounds(
                rate(int(a), n),
                rate(int(b), n),
                kind="proportion",
                sign=sign,
                margin=margin,
                relative=relative,
            )
        ).safe
        for a, b in zip(rng.binomial(n, p, runs), rng.binomial(n, worse, runs), strict=True)
    )
    assert called_safe / runs == pytest.approx(0.05, abs=3.29 * math.sqrt(0.05 * 0.95 / runs))


@pytest.mark.slow
@pytest.mark.parametrize("relative", [False, True])
def test_a_mean_that_lost_exactly_the_margin_is_called_safe_one_time_in_twenty(relative: bool) -> None:
    runs = 3_000
    rng = np.random.default_rng(20_261_007)
    control = rng.gamma(4.0, 2.5, size=(runs, 400))
    # Mean 10 in the control; the treatment loses a tenth of it, in the way the margin is written.
    lost = rng.gamma(4.0, 2.5, size=(runs, 400))
    treatment = lost * 0.9 if relative else lost - 1.0
    called_safe = sum(
        bounds(
            margin_bounds(
                moments_of(a),
                moments_of(b),
                kind="mean",
                sign=1,
                margin=-0.1 if relative else -1.0,
                relative=relative,
            )
        ).safe
        for a, b in zip(control, treatment, strict=True)
    )
    assert called_safe / runs == pytest.approx(0.05, abs=3.29 * math.sqrt(0.05 * 0.95 / runs))


@pytest.mark.slow
def test_rare_failures_beyond_the_margin_are_not_waved_through_and_the_textbook_bound_does() -> None:
    runs, n = 1_500, 200
    rng = np.random.default_rng(20_261_008)
    ours = textbook = 0
    for a, b in zip(rng.binomial(n, 0.002, runs), rng.binomial(n, 0.007, runs), strict=True):
        got = bounds(
            margin_bounds(rate(int(a), n), rate(int(b), n), kind="proportion", sign=-1, margin=0.005, relative=False)
        )
        ours += got.safe
        textbook += got.slack.value - 1.645 * got.slack.se > 0
    assert ours / runs <= 0.05 + 3.29 * math.sqrt(0.05 * 0.95 / runs)
    assert textbook / runs > 0.15


def rate(successes: int, n: int) -> Moments:
    share = successes / n
    return Moments(n=n, mean=share, m2=n * share * (1 - share))


def bounds(got: MarginBounds | Unavailable) -> MarginBounds:
    assert isinstance(got, MarginBounds), got
    return got
