"""Whether an arm stays within its margin after the shares followed the data."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from abflow.errors import SpecError
from abflow.stats.bandit_simulation import World, play
from abflow.stats.batched_margins import batched_margin_bounds
from abflow.stats.moments import EMPTY, Moments, moments_of
from abflow.stats.noninferiority import MarginBounds, margin_bounds
from abflow.stats.result import Unavailable, UnavailableReason

Sign = Literal[1, -1]
samples = st.lists(st.integers(-100, 100).map(float), min_size=10, max_size=30)


def found(got: MarginBounds | Unavailable) -> MarginBounds:
    assert isinstance(got, MarginBounds), got
    return got


@given(samples, samples, st.sampled_from([1.0, 7.5, 40.0]))
def test_one_batch_is_the_pooled_t_test_of_non_inferiority(
    left: list[float], right: list[float], margin: float
) -> None:
    control, treatment = moments_of(left), moments_of(right)
    assume(control.m2 + treatment.m2 > 1e-3)
    got = found(batched_margin_bounds([(control, treatment)], sign=1, margin=-margin, relative=False, confidence=0.95))
    means = CompareMeans(DescrStatsW(right), DescrStatsW(left))
    _, p_value, _ = means.ttest_ind(alternative="larger", usevar="pooled", value=-margin)
    lower, upper = means.tconfint_diff(alpha=0.1, usevar="pooled")
    assert got.p_value == pytest.approx(p_value, rel=1e-6, abs=1e-9)
    assert (got.effect.lower, got.effect.upper) == pytest.approx((lower, upper), rel=1e-6, abs=1e-6)
    assert got.slack.lower == pytest.approx(lower + margin, rel=1e-6, abs=1e-6)
    assert got.safe == (p_value < 0.05) or math.isclose(p_value, 0.05, rel_tol=1e-6)


@given(st.lists(st.tuples(samples, samples), min_size=1, max_size=4), st.sampled_from([0.05, 0.2]))
def test_less_is_better_mirrors_more_is_better(days: list[tuple[list[float], list[float]]], margin: float) -> None:
    # Values above 0, so that a relative margin has a direction; turned around, a loss is a loss on the other side.
    batches = [(moments_of(np.array(a) + 200), moments_of(np.array(b) + 200)) for a, b in days]
    assume(all(control.m2 + treatment.m2 > 1e-3 for control, treatment in batches))
    by_rows = found(batched_margin_bounds(batches, sign=1, margin=margin, relative=False))
    turned = [(c.scaled(-1), t.scaled(-1)) for c, t in batches]
    mirrored = found(batched_margin_bounds(turned, sign=-1, margin=margin, relative=False))
    assert (mirrored.slack.lower, mirrored.p_value) == pytest.approx((by_rows.slack.lower, by_rows.p_value))
    larger = [(c.scaled(10), t.scaled(10)) for c, t in batches]
    relative = found(batched_margin_bounds(batches, sign=1, margin=margin, relative=True))
    scaled = found(batched_margin_bounds(larger, sign=1, margin=margin, relative=True))
    assert scaled.slack.lower == pytest.approx(10 * relative.slack.lower)
    assert scaled.margin == pytest.approx(10 * relative.margin)


RUNS, DAYS = 1_000, 21


@pytest.mark.parametrize(
    ("rate", "units", "margin", "relative"),
    [(0.05, 2_000, 0.01, False), (0.05, 2_000, 0.2, True), (0.01, 2_000, 0.005, False), (0.30, 500, 0.05, True)],
)
@pytest.mark.parametrize("rises_to", [2.0, 0.5])
def test_a_loss_of_the_margin_is_called_safe_as_seldom_as_alpha_says(
    rate: float, units: int, margin: float, relative: bool, rises_to: float
) -> None:
    """A guardrail drifts while the better arm of the primary is dealt more and more; the sums of the days mislead."""
    played = play(World(means=[(0.05, 0.06)] * DAYS, units_a_day=units), rule="thompson", runs=RUNS, seed=3)
    rng = np.random.default_rng(1)
    level = rate * np.linspace(1, rises_to, DAYS)
    lost = margin * level if relative else np.full(DAYS, margin)
    n = played.n.astype(np.int64)
    events = rng.binomial(n, np.stack([level, level + lost], axis=1))
    safe = harmed = pooled_safe = 0
    for run in range(RUNS):
        batches = [
            (ones(events[run, day, 0], n[run, day, 0]), ones(events[run, day, 1], n[run, day, 1]))
            for day in range(DAYS)
        ]
        got = found(batched_margin_bounds(batches, sign=-1, margin=margin, relative=relative))
        safe += got.safe
        harmed += got.harmed
        control, treatment = (sum((day[arm] for day in batches), EMPTY) for arm in (0, 1))
        summed = margin_bounds(control, treatment, kind="proportion", sign=-1, margin=margin, relative=relative)
        pooled_safe += found(summed).safe
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / RUNS)
    assert safe / RUNS < most
    assert harmed / RUNS < most
    if rises_to < 1 and units == 2_000:
        assert pooled_safe / RUNS > most  # the arm that is dealt the late days looks safe whatever it does


def ones(events: int, n: int) -> Moments:
    share = events / n if n else 0.0
    return Moments(n=int(n), mean=share, m2=n * share * (1 - share))


DAY = (ones(50, 1_000), ones(55, 1_000))


def test_days_without_enough_units_are_left_out() -> None:
    small = (ones(0, 1_000), ones(5, 9))
    alone = found(batched_margin_bounds([DAY], sign=-1, margin=0.02, relative=False))
    assert found(batched_margin_bounds([DAY, small], sign=-1, margin=0.02, relative=False)) == alone


@pytest.mark.parametrize(
    ("batches", "reason"),
    [
        ([], UnavailableReason.NO_UNITS),
        ([(ones(1, 9), ones(1, 9))], UnavailableReason.TOO_FEW_UNITS),
        ([(ones(0, 100), ones(0, 100))], UnavailableReason.NO_VARIANCE),
        ([(Moments(n=20, mean=math.inf, m2=math.nan), ones(1, 20))], UnavailableReason.NOT_FINITE),
    ],
)
def test_what_has_no_bounds_says_why(batches: list[tuple[Moments, Moments]], reason: UnavailableReason) -> None:
    got = batched_margin_bounds(batches, sign=1, margin=0.01, relative=False)
    assert isinstance(got, Unavailable)
    assert got.reason is reason


def test_a_relative_margin_of_a_negative_control_has_no_direction() -> None:
    below = (Moments(n=50, mean=-3.0, m2=20.0), Moments(n=50, mean=-3.0, m2=20.0))
    got = batched_margin_bounds([DAY, below], sign=1, margin=0.1, relative=True)
    assert isinstance(got, Unavailable)
    assert "give an absolute margin" in got.detail


def test_impossible_margins_and_confidences_are_refused() -> None:
    with pytest.raises(SpecError, match="margin nan is not a finite number"):
        batched_margin_bounds([DAY], sign=1, margin=math.nan, relative=False)
    with pytest.raises(SpecError, match=r"confidence 0\.05 is not between"):
        batched_margin_bounds([DAY], sign=1, margin=0.1, relative=False, confidence=0.05)
    low = batched_margin_bounds([DAY], sign=1, margin=0.1, relative=False, confidence=0.6)
    assert isinstance(low, Unavailable)
    assert "0.75 or more each, not at 0.6" in low.detail
