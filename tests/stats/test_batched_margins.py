"""Whether an arm stays within its margin after the shares followed the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm
from statsmodels.stats.proportion import test_proportions_2indep as proportions_2indep
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from abflow.errors import SpecError
from abflow.stats.batched_margins import BatchedMargin, batched_margin_bounds
from abflow.stats.batches import Kind
from abflow.stats.moments import Moments, moments_of
from abflow.stats.noninferiority import MarginBounds, margin_bounds
from abflow.stats.result import Unavailable, UnavailableReason

Sign = Literal[1, -1]
KINDS: tuple[Kind, ...] = ("proportion", "mean")
counts = st.integers(10, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
samples = st.lists(st.integers(-100, 100).map(float), min_size=10, max_size=30)


def found(
    batches: Sequence[tuple[Moments, Moments]], *, kind: Kind, margin: float, sign: Sign = 1, relative: bool = False
) -> MarginBounds:
    got = batched_margin_bounds(batches, kind=kind, sign=sign, margin=margin, relative=relative)
    assert isinstance(got, BatchedMargin), got
    return got.bounds


@given(samples, samples, st.sampled_from([1.0, 7.5, 40.0]))
def test_one_batch_of_means_is_welchs_test_of_non_inferiority(
    left: list[float], right: list[float], margin: float
) -> None:
    control, treatment = moments_of(left), moments_of(right)
    assume(min(control.m2, treatment.m2) > 1e-3)
    got = found([(control, treatment)], kind="mean", margin=-margin)
    means = CompareMeans(DescrStatsW(right), DescrStatsW(left))
    _, p_value, _ = means.ttest_ind(alternative="larger", usevar="unequal", value=-margin)
    lower, upper = means.tconfint_diff(alpha=0.1, usevar="unequal")
    assert got.p_value == pytest.approx(p_value, rel=1e-6, abs=1e-9)
    assert (got.effect.lower, got.effect.upper) == pytest.approx((lower, upper), rel=1e-6, abs=1e-6)
    assert got.slack.lower == pytest.approx(lower + margin, rel=1e-6, abs=1e-6)
    assert got.safe == (p_value < 0.05) or math.isclose(p_value, 0.05, rel_tol=1e-6)


@given(samples, samples, st.sampled_from([0.05, 0.4]), st.sampled_from([1, -1]))
def test_one_batch_of_means_at_a_relative_margin_is_welchs_too(
    left: list[float], right: list[float], margin: float, sign: Sign
) -> None:
    control, treatment = moments_of(np.array(left) + 200), moments_of(np.array(right) + 200)
    assume(min(control.m2, treatment.m2) > 1e-3)
    got = found([(control, treatment)], kind="mean", sign=sign, margin=margin, relative=True)
    alone = margin_bounds(control, treatment, kind="mean", sign=sign, margin=margin, relative=True)
    assert isinstance(alone, MarginBounds)
    assert (got.slack.lower, got.slack.upper) == pytest.approx((alone.slack.lower, alone.slack.upper), abs=1e-8)
    assert (got.effect.lower, got.margin) == pytest.approx((alone.effect.lower, alone.margin), abs=1e-8)
    assert got.p_value == pytest.approx(alone.p_value, abs=1e-9)


@given(counts, counts, st.sampled_from([0.05, 0.3]), st.sampled_from([1, -1]))
def test_one_batch_of_rates_at_a_relative_margin_is_the_score_test_of_a_ratio(
    left: tuple[int, int], right: tuple[int, int], margin: float, sign: Sign
) -> None:
    assume(0 < left[0] < left[1] and 0 < right[0] < right[1])
    theirs = proportions_2indep(
        *right,
        *left,
        value=1 - sign * margin,
        compare="ratio",
        method="score",
        alternative="larger" if sign > 0 else "smaller",
        correction=False,
    )
    got = found([(ones(*left), ones(*right))], kind="proportion", sign=sign, margin=margin, relative=True)
    assert got.slack.value / got.slack.se == pytest.approx(sign * theirs.statistic, rel=1e-6, abs=1e-6)
    assert got.p_value == pytest.approx(theirs.pvalue, rel=1e-4, abs=1e-9)


@given(counts, counts, st.sampled_from([0.002, 0.05, 0.3]), st.sampled_from([1, -1]))
def test_one_batch_of_rates_has_the_error_of_the_likeliest_rates_at_the_margin(
    left: tuple[int, int], right: tuple[int, int], margin: float, sign: Sign
) -> None:
    """The likelihood is searched, since the cubic of statsmodels has a count where the paper has a sample size."""
    (events_c, n_c), (events_t, n_t) = left, right
    loss = sign * margin

    def unlikelihood(rate: float) -> float:
        return -float(binom.logpmf(events_c, n_c, rate) + binom.logpmf(events_t, n_t, rate - loss))

    edges = max(0.0, loss), min(1.0, 1 + loss)
    inside = minimize_scalar(unlikelihood, bounds=edges, method="bounded", options={"xatol": 1e-12}).x
    rate = min([inside, *edges], key=unlikelihood)
    se = math.sqrt(rate * (1 - rate) / n_c + (rate - loss) * (1 - rate + loss) / n_t)
    got = found([(ones(*left), ones(*right))], kind="proportion", sign=sign, margin=margin)
    assert got.slack.value == pytest.approx(sign * (events_t / n_t - events_c / n_c) + margin, abs=1e-12)
    assert got.slack.se == pytest.approx(se, rel=1e-4)
    assert got.p_value == pytest.approx(norm.sf(got.slack.value / se), rel=1e-2, abs=1e-9)


def test_less_is_better_mirrors_more_is_better() -> None:
    batches = [(ones(40, 500), ones(60, 700)), (ones(90, 500), ones(9, 70))]
    by_rows = found(batches, kind="proportion", sign=1, margin=0.02)
    turned = [(ones(c.n - events(c), c.n), ones(t.n - events(t), t.n)) for c, t in batches]
    mirrored = found(turned, kind="proportion", sign=-1, margin=0.02)
    assert (mirrored.slack.lower, mirrored.p_value) == pytest.approx((by_rows.slack.lower, by_rows.p_value))
    relative = found(batches, kind="mean", margin=0.2, relative=True)
    scaled = found([(c.scaled(10), t.scaled(10)) for c, t in batches], kind="mean", margin=0.2, relative=True)
    assert scaled.slack.lower == pytest.approx(10 * relative.slack.lower)
    assert scaled.margin == pytest.approx(10 * relative.margin)


def ones(events: int, n: int) -> Moments:
    share = events / n if n else 0.0
    return Moments(n=int(n), mean=share, m2=n * share * (1 - share))


DAY = (ones(50, 1_000), ones(55, 1_000))


def events(arm: Moments) -> int:
    return round(arm.n * arm.mean)


def test_days_without_enough_units_are_left_out_and_counted() -> None:
    small = (ones(0, 5_000), ones(5, 9))
    for kind in KINDS:
        alone = batched_margin_bounds([DAY], kind=kind, sign=-1, margin=0.02, relative=True)
        got = batched_margin_bounds([DAY, small], kind=kind, sign=-1, margin=0.02, relative=True)
        assert isinstance(alone, BatchedMargin)
        assert got == replace(alone, left_out=1)


def test_no_event_at_all_rules_out_an_absolute_margin_and_says_nothing_of_a_relative_one() -> None:
    days = [(ones(0, 1_000), ones(0, 1_000))] * 3
    got = found(days, kind="proportion", sign=-1, margin=0.005)
    # At the margin the likeliest rates are 0 and .005: z = .005 / sqrt(.005 · .995 / 1000), three times.
    assert got.slack.value / got.slack.se == pytest.approx(math.sqrt(3) * 0.005 / math.sqrt(0.005 * 0.995 / 1_000))
    assert got.safe
    relative = batched_margin_bounds(days, kind="proportion", sign=-1, margin=0.1, relative=True)
    assert isinstance(relative, Unavailable)
    assert relative.reason is UnavailableReason.NO_VARIANCE


def test_one_negative_value_does_not_take_a_margin_its_direction() -> None:
    rng = np.random.default_rng(5)
    days = [(moments_of(rng.normal(1, 1, 500)), moments_of(rng.normal(1, 1, 500))) for _ in range(20)]
    odd = (moments_of([-0.1]), moments_of(rng.normal(1, 1, 500)))
    assert found([*days, odd], kind="mean", margin=0.1, relative=True) == found(
        days, kind="mean", margin=0.1, relative=True
    )


@pytest.mark.parametrize(
    ("batches", "reason"),
    [
        ([], UnavailableReason.NO_UNITS),
        ([(ones(1, 9), ones(1, 9))], UnavailableReason.TOO_FEW_UNITS),
        ([(Moments(n=20, mean=math.inf, m2=math.nan), ones(1, 20))], UnavailableReason.NOT_FINITE),
    ],
)
@pytest.mark.parametrize("kind", ["proportion", "mean"])
def test_what_has_no_bounds_says_why(
    batches: list[tuple[Moments, Moments]], reason: UnavailableReason, kind: Kind
) -> None:
    got = batched_margin_bounds(batches, kind=kind, sign=1, margin=0.01, relative=False)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_means_that_never_vary_have_no_bounds_even_where_a_day_that_is_left_out_does() -> None:
    days = [(ones(0, 100), ones(0, 100)), (ones(5, 900), ones(3, 9))]
    got = batched_margin_bounds(days, kind="mean", sign=1, margin=0.01, relative=False)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_VARIANCE


def test_a_relative_margin_of_a_negative_control_has_no_direction() -> None:
    below = (Moments(n=50, mean=-3.0, m2=20.0), Moments(n=50, mean=-3.0, m2=20.0))
    got = batched_margin_bounds([below], kind="mean", sign=1, margin=0.1, relative=True)
    assert isinstance(got, Unavailable)
    assert "give an absolute margin" in got.detail


def test_a_rate_cannot_lose_more_than_all() -> None:
    cases: list[tuple[Sign, bool, bool]] = [(1, False, True), (1, True, True), (-1, False, True), (-1, True, False)]
    for sign, relative, refused in cases:
        got = batched_margin_bounds([DAY], kind="proportion", sign=sign, margin=1.5, relative=relative)
        assert isinstance(got, Unavailable) is refused


def test_impossible_margins_and_confidences_are_refused() -> None:
    with pytest.raises(SpecError, match="margin nan is not a finite number"):
        batched_margin_bounds([DAY], kind="mean", sign=1, margin=math.nan, relative=False)
    with pytest.raises(SpecError, match=r"confidence 0\.05 is not between"):
        batched_margin_bounds([DAY], kind="mean", sign=1, margin=0.1, relative=False, confidence=0.05)
