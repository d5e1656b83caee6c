"""One test per batch, added up: what a bandit's data say about two arms."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from abflow.errors import SpecError
from abflow.stats.batched_ols import BatchedDifference, batched_difference
from abflow.stats.moments import EMPTY, Moments, moments_of
from abflow.stats.proportions import difference_in_proportions
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

samples = st.lists(st.integers(-1000, 1000).map(float), min_size=10, max_size=30)
pairs = st.lists(st.tuples(samples, samples), min_size=1, max_size=5)


@st.composite
def rates(draw: st.DrawFn) -> list[tuple[Moments, Moments]]:
    """One to four batches of two arms with 10 to 400 units each."""
    sizes = draw(st.lists(st.tuples(st.integers(10, 400), st.integers(10, 400)), min_size=1, max_size=4))
    return [(events(draw(st.integers(0, c)), c), events(draw(st.integers(0, t)), t)) for c, t in sizes]


@given(samples, samples)
def test_one_batch_of_means_is_students_t(left: list[float], right: list[float]) -> None:
    control, treatment = moments_of(left), moments_of(right)
    assume(control.m2 + treatment.m2 > 1e-3)
    got = found(batched_difference([(control, treatment)], kind="mean", confidence=0.9)).estimate
    want = stats.ttest_ind(right, left, equal_var=True)
    interval = want.confidence_interval(0.9)
    assert got.p_value == pytest.approx(want.pvalue, rel=1e-6, abs=1e-12)
    assert (got.lower, got.upper) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("treatment", "control", "interval"),
    [((56, 70), (48, 80), (0.0533, 0.3377)), ((9, 10), (3, 10), (0.1821, 0.8370))],
)
def test_one_batch_of_rates_reproduces_newcombes_table(
    treatment: tuple[int, int], control: tuple[int, int], interval: tuple[float, float]
) -> None:
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, examples (a) and (b), method 5 (Mee).
    got = found(batched_difference([(events(*control), events(*treatment))], kind="proportion")).estimate
    assert (got.lower, got.upper) == pytest.approx(interval, abs=5e-5)


def test_one_batch_of_rates_has_the_p_value_of_the_pooled_z() -> None:
    control, treatment = events(1380, 8500), events(1545, 8200)
    want = difference_in_proportions(control, treatment)
    assert isinstance(want, Estimate)
    got = found(batched_difference([(control, treatment)], kind="proportion")).estimate
    assert (got.value, got.p_value) == pytest.approx((want.value, want.p_value))


def test_two_batches_add_up_as_the_formulas_say() -> None:
    batches = [(events(50, 1000), events(70, 1000)), (events(190, 1900), events(14, 100))]
    differences = (0.02, 0.04)
    errors = [math.sqrt(p * (1 - p) * (1 / c + 1 / t)) for p, c, t in ((0.06, 1000, 1000), (204 / 2000, 1900, 100))]
    got = found(batched_difference(batches, kind="proportion"))
    assert got.z == pytest.approx(sum(d / e for d, e in zip(differences, errors, strict=True)) / math.sqrt(2))
    assert got.estimate.value == pytest.approx(
        sum(d / e for d, e in zip(differences, errors, strict=True)) / sum(1 / e for e in errors)
    )
    assert got.estimate.p_value == pytest.approx(2 * stats.norm.sf(got.z))


def test_the_ends_of_a_rates_interval_are_where_its_test_would_just_reject() -> None:
    # The variance at each end is worked out again, by searching for the likeliest rates.
    batches = [(events(3, 40), events(9, 50)), (events(0, 30), events(4, 200)), (events(70, 80), events(19, 20))]
    got = found(batched_difference(batches, kind="proportion")).estimate
    for end, z in ((got.lower, 1.959964), (got.upper, -1.959964)):
        assert sum(z_of_batch(*batch, end) for batch in batches) / math.sqrt(3) == pytest.approx(z, abs=2e-5)


def z_of_batch(control: Moments, treatment: Moments, difference: float) -> float:
    hits_c, hits_t = control.n * control.mean, treatment.n * treatment.mean

    def unlikelihood(p: float) -> float:
        q = p + difference
        return -float(
            special.xlogy(hits_c, p)
            + special.xlog1py(control.n - hits_c, -p)
            + special.xlogy(hits_t, q)
            + special.xlog1py(treatment.n - hits_t, -q)
        )

    bounds = (max(0.0, -difference) + 1e-12, min(1.0, 1 - difference) - 1e-12)
    p = float(optimize.minimize_scalar(unlikelihood, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)
    q = p + difference
    return (treatment.mean - control.mean - difference) / math.sqrt(p * (1 - p) / control.n + q * (1 - q) / treatment.n)


def test_the_sum_of_a_few_small_batches_has_the_tails_of_a_sum_of_ts() -> None:
    batches = [
        (moments_of(range(n)), moments_of([0.3 + v for v in range(m)])) for n, m in ((10, 12), (11, 40), (90, 10))
    ]
    got = found(batched_difference(batches, kind="mean"))
    rng = np.random.default_rng(11)
    sums = sum(rng.standard_t(n + m - 2, size=400_000) for n, m in ((10, 12), (11, 40), (90, 10))) / math.sqrt(3)
    critical = (got.estimate.upper - got.estimate.value) / got.estimate.se
    assert np.mean(np.abs(sums) > critical) == pytest.approx(0.05, abs=0.0012)
    assert np.mean(np.abs(sums) > abs(got.z)) == pytest.approx(got.estimate.p_value, abs=0.003)


@given(rates(), st.sampled_from([0.8, 0.95, 0.99]))
def test_a_rates_interval_holds_zero_exactly_when_the_test_does_not_reject(
    batches: list[tuple[Moments, Moments]], confidence: float
) -> None:
    got = batched_difference(batches, kind="proportion", confidence=confidence)
    assume(isinstance(got, BatchedDifference))
    estimate = found(got).estimate
    assume(abs(estimate.p_value - (1 - confidence)) > 1e-6)
    assert (estimate.lower <= 0 <= estimate.upper) == (estimate.p_value > 1 - confidence)
    assert -1 <= estimate.lower < estimate.upper <= 1


@given(rates())
def test_swapping_the_arms_of_rates_changes_the_sign_only(batches: list[tuple[Moments, Moments]]) -> None:
    there = batched_difference(batches, kind="proportion")
    assume(isinstance(there, BatchedDifference))
    back = found(batched_difference([(t, c) for c, t in batches], kind="proportion"))
    assert back.z == pytest.approx(-found(there).z, abs=1e-9)
    assert (back.estimate.lower, back.estimate.upper) == pytest.approx(
        (-found(there).estimate.upper, -found(there).estimate.lower), abs=1e-7
    )


@given(pairs, st.lists(st.integers(-500, 500), min_size=5, max_size=5), st.sampled_from([0.5, 4.0]))
def test_a_baseline_that_moves_between_batches_changes_nothing(
    values: list[tuple[list[float], list[float]]], shifts: list[int], by: float
) -> None:
    batches = [(moments_of(c), moments_of(t)) for c, t in values]
    assume(all(c.m2 + t.m2 > 1 for c, t in batches))
    moved = [
        (moments_of([by * (v + s) for v in c]), moments_of([by * (v + s) for v in t]))
        for (c, t), s in zip(values, shifts, strict=False)
    ]
    plain, got = found(batched_difference(batches, kind="mean")), found(batched_difference(moved, kind="mean"))
    assert got.z == pytest.approx(plain.z, rel=1e-6, abs=1e-6)
    assert got.estimate.value == pytest.approx(by * plain.estimate.value, rel=1e-6, abs=1e-6)
    assert got.estimate.p_value == pytest.approx(plain.estimate.p_value, rel=1e-5, abs=1e-9)


@given(rates())
def test_the_order_of_the_batches_does_not_matter(batches: list[tuple[Moments, Moments]]) -> None:
    there = batched_difference(batches, kind="proportion")
    assume(isinstance(there, BatchedDifference))
    assert found(batched_difference(batches[::-1], kind="proportion")).z == pytest.approx(found(there).z, abs=1e-9)


def test_a_batch_that_cannot_be_tested_is_left_out_and_counted() -> None:
    good = (events(50, 1000), events(70, 900))
    alone = found(batched_difference([good], kind="proportion"))
    got = found(
        batched_difference(
            [good, (events(2, 500), events(3, 9)), (EMPTY, events(5, 80)), (events(0, 60), events(0, 90))],
            kind="proportion",
        )
    )
    assert got.estimate == alone.estimate
    assert (got.batches, got.left_out) == (1, 3)
    constant = (moments_of([2.0] * 20), moments_of([3.0] * 20))
    lively = (moments_of(range(20)), moments_of(range(5, 30)))
    assert found(batched_difference([lively, constant], kind="mean")).left_out == 1


@pytest.mark.parametrize(("n_control", "n_treatment", "hits"), [(190, 10, 12), (40, 40, 3), (15, 60, 70)])
def test_with_equal_arms_a_batchs_z_has_mean_zero_whatever_the_shares(
    n_control: int, n_treatment: int, hits: int
) -> None:
    # Given the events of both arms, those of one are hypergeometric: summed over every table. The unpooled z
    # of the first case averages far below 0, and over many batches that adds up.
    mean = square = unpooled = 0.0
    for x in range(max(0, hits - n_control), min(hits, n_treatment) + 1):
        chance = float(stats.hypergeom.pmf(x, n_control + n_treatment, hits, n_treatment))
        control, treatment = events(hits - x, n_control), events(x, n_treatment)
        z = found(batched_difference([(control, treatment)], kind="proportion")).z
        mean, square = mean + chance * z, square + chance * z * z
        rest = sum(arm.mean * (1 - arm.mean) / arm.n for arm in (control, treatment))
        unpooled += chance * (treatment.mean - control.mean) / math.sqrt(rest)
    n = n_control + n_treatment
    assert mean == pytest.approx(0, abs=1e-9)
    assert square == pytest.approx(n / (n - 1), rel=1e-9)
    if n_treatment == 10:
        assert unpooled < -1


@pytest.mark.parametrize(
    ("batches", "kind", "reason"),
    [
        ([], "mean", UnavailableReason.NO_UNITS),
        ([(EMPTY, EMPTY)], "mean", UnavailableReason.TOO_FEW_UNITS),
        ([(moments_of(range(9)), moments_of(range(30)))], "mean", UnavailableReason.TOO_FEW_UNITS),
        ([(moments_of([1.0] * 20), moments_of([1.0] * 20))], "mean", UnavailableReason.NO_VARIANCE),
        ([(moments_of([0.0] * 20), moments_of([0.0] * 20))], "proportion", UnavailableReason.NO_VARIANCE),
        ([(moments_of(range(20)), moments_of([math.nan] * 20))], "mean", UnavailableReason.NOT_FINITE),
        ([(moments_of(range(20)), moments_of(range(20)))], "proportion", UnavailableReason.METHOD_NOT_VALID_HERE),
    ],
)
def test_what_cannot_be_added_up_says_why(
    batches: list[tuple[Moments, Moments]], kind: Literal["proportion", "mean"], reason: UnavailableReason
) -> None:
    got = batched_difference(batches, kind=kind)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert got.detail


def test_a_confidence_must_be_a_confidence() -> None:
    kinds: tuple[Literal["proportion", "mean"], ...] = ("proportion", "mean")
    for kind in kinds:
        with pytest.raises(SpecError, match=r"write 0\.95"):
            batched_difference([], kind=kind, confidence=0.05)


def test_arms_that_have_nothing_in_common_still_have_an_interval() -> None:
    got = found(batched_difference([(events(0, 10), events(10, 10))], kind="proportion")).estimate
    assert got.upper == 1
    assert 0.5 < got.lower < 0.8


def events(count: int, n: int) -> Moments:
    return Moments(n=n, mean=count / n, m2=count * (n - count) / n)


def found(got: BatchedDifference | Unavailable) -> BatchedDifference:
    assert isinstance(got, BatchedDifference), got
    return got
