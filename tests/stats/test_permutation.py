"""The studentised permutation test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.permutation import PermutationTest, permutation_test
from abflow.stats.result import Unavailable, UnavailableReason

small = st.lists(st.floats(-100, 100), min_size=2, max_size=6, unique=True)


def welch(left: NDArray[np.float64], right: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    variance = left.var(axis=axis, ddof=1) / left.shape[axis] + right.var(axis=axis, ddof=1) / right.shape[axis]
    return np.asarray((right.mean(axis=axis) - left.mean(axis=axis)) / np.sqrt(variance))


@settings(max_examples=40)
@given(small, small)
def test_few_units_get_every_split_as_in_scipy(left: list[float], right: list[float]) -> None:
    assume(len({round(value, 3) for value in (*left, *right)}) == len(left) + len(right))
    got = permuted(permutation_test(left, right, seed=1))
    want = stats.permutation_test(
        (left, right),
        lambda a, b, axis: np.abs(welch(a, b, axis)),
        n_resamples=10_000,  # more than there are splits: scipy then looks at all of them
        alternative="greater",
        vectorized=True,
    )
    assert got.p_value == pytest.approx(want.pvalue)
    assert got.splits == math.comb(len(left) + len(right), len(left))
    assert got.statistic == pytest.approx(float(welch(np.array(left), np.array(right))))
    assert got.method == "studentised permutation test, every split"


def test_more_units_get_random_splits_that_agree_with_plain_shuffling() -> None:
    rng = np.random.default_rng(2)
    left, right = rng.lognormal(size=60), rng.lognormal(0.9, size=25)
    got = permuted(permutation_test(left, right, seed=1))
    draws = rng.permuted(np.tile(np.concatenate((left, right)), (40_000, 1)), axis=1)
    want = np.mean(np.abs(welch(draws[:, :60], draws[:, 60:])) >= abs(float(welch(left, right))))
    assert 0.01 < want < 0.2
    assert got.p_value == pytest.approx(want, abs=4 * math.sqrt(want * (1 - want) * (1 / 10_000 + 1 / 40_000)))
    assert got.splits == 10_001


@pytest.mark.parametrize(("n_control", "n_treatment"), [(120_000, 120_000), (200_000, 3_000), (30_000, 700)])
def test_many_units_in_buckets_agree_with_the_normal_distribution_where_it_holds(
    n_control: int, n_treatment: int
) -> None:
    rng = np.random.default_rng(3)
    control, treatment = rng.normal(size=n_control), rng.normal(size=n_treatment)
    treatment += 2 * math.sqrt(1 / n_control + 1 / n_treatment) - treatment.mean() + control.mean()
    got = permuted(permutation_test(control, treatment, seed=1, draws=4_000))
    # Welch's statistic is 2. Noise of the draws, and of an error known to 1 in sqrt(2 · 8192) or better.
    noise = math.hypot(math.sqrt(0.0455 * 0.9545 / 4_000), 2 * 2 * 0.054 / math.sqrt(2 * 8_192))
    assert got.p_value == pytest.approx(0.0455, abs=4 * noise)


def test_the_split_seen_is_counted_so_that_no_p_value_is_zero() -> None:
    control, treatment = np.arange(40.0), np.arange(1e6, 1e6 + 40)
    got = permuted(permutation_test(control, treatment, seed=1, draws=999))
    assert got.p_value == 1 / 1_000
    few = permuted(permutation_test(control[:5], treatment[:5], seed=1))
    assert few.p_value == 2 / math.comb(10, 5)


def test_equal_differences_count_as_hits() -> None:
    # One event in either arm: every other split has the same, or both events in one arm, which is further away.
    control, treatment = [0.0] * 9 + [1.0], [0.0] * 7 + [1.0]
    assert permuted(permutation_test(control, treatment, seed=1)).p_value == 1
    # The same of 30 and 30 units, too many to look at all.
    control, treatment = [0.1] * 29 + [0.3], [0.1] * 29 + [0.3]
    assert permuted(permutation_test(control, treatment, seed=1)).p_value == 1


def test_a_split_into_two_constant_arms_is_as_far_from_equal_as_can_be() -> None:
    # Of the twenty splits two have all ones on one side, without any spread; the others are like the one seen.
    assert permuted(permutation_test([0.0, 0.0, 1.0], [1.0, 1.0, 0.0], seed=1)).p_value == 1


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from([1e-3, 7.0, 1e6]), st.sampled_from([0.0, -50.0, 1e6]))
def test_neither_the_currency_nor_a_constant_added_matters(seed: int, by: float, plus: float) -> None:
    rng = np.random.default_rng(seed)
    control, treatment = rng.normal(size=14), rng.normal(size=12)
    plain = permuted(permutation_test(control, treatment, seed=5, draws=200))
    moved = permuted(permutation_test(by * (control + plus), by * (treatment + plus), seed=5, draws=200))
    assert moved.p_value == plain.p_value
    assert moved.statistic == pytest.approx(plain.statistic, rel=1e-4, abs=1e-6)


@settings(max_examples=25)
@given(small, small)
def test_swapping_the_arms_changes_the_sign_only(left: list[float], right: list[float]) -> None:
    assume(len({round(value, 3) for value in (*left, *right)}) == len(left) + len(right))
    there, back = (permuted(permutation_test(*arms, seed=1)) for arms in ((left, right), (right, left)))
    assert back.p_value == there.p_value
    assert back.statistic == pytest.approx(-there.statistic)


def test_the_same_seed_gives_the_same_p_value() -> None:
    rng = np.random.default_rng(8)
    control, treatment = rng.normal(size=20_000), rng.normal(size=15_000)
    first, again, other = (permutation_test(control, treatment, seed=seed, draws=300) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("control", "treatment", "reason"),
    [
        ([], [1.0, 2.0], UnavailableReason.NO_UNITS),
        ([1.0], [1.0, 2.0], UnavailableReason.TOO_FEW_UNITS),
        ([3.0] * 20, [4.0] * 30, UnavailableReason.NO_VARIANCE),
        ([1.0, math.nan], [1.0, 2.0], UnavailableReason.NOT_FINITE),
    ],
)
def test_where_there_is_nothing_to_permute_the_reason_is_said(
    control: list[float], treatment: list[float], reason: UnavailableReason
) -> None:
    got = permutation_test(control, treatment, seed=1)
    assert isinstance(got, Unavailable)
    assert got.reason is reason
    assert got.detail


def test_no_draws_are_refused() -> None:
    with pytest.raises(SpecError, match="0 random splits"):
        permutation_test([1.0, 2.0], [1.0, 3.0], seed=1, draws=0)


def permuted(got: PermutationTest | Unavailable) -> PermutationTest:
    assert isinstance(got, PermutationTest), got
    return got
