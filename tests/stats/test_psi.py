"""The population stability index."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import DataError
from abflow.stats.psi import population_stability_index
from abflow.stats.result import Unavailable, UnavailableReason

pairs = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=12).filter(
    lambda bins: sum(e for e, _ in bins) > 0 and sum(a for _, a in bins) > 0
)


def test_two_bins_by_hand() -> None:
    # (.6 - .5) ln(.6/.5) + (.4 - .5) ln(.4/.5) = .0182322 + .0223144
    assert population_stability_index([50, 50], [60, 40]) == pytest.approx(0.0405465, abs=1e-7)


def test_a_shift_of_a_normal_by_a_tenth_gives_a_hundredth() -> None:
    # The divergence of N(0, 1) and N(d, 1) is d² (Kullback, Leibler 1951); bins lose a little of it.
    edges = np.linspace(-4, 4, 81)
    cdf = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in edges])
    moved = np.array([0.5 * math.erfc(-(x - 0.1) / math.sqrt(2)) for x in edges])
    expected, actual = (np.round(np.diff(c) * 1e9).astype(int).tolist() for c in (cdf, moved))
    assert population_stability_index(expected, actual) == pytest.approx(0.01, rel=0.01)


@given(pairs)
def test_it_is_symmetric_and_never_negative(bins: list[tuple[int, int]]) -> None:
    expected, actual = [e for e, _ in bins], [a for _, a in bins]
    there = population_stability_index(expected, actual)
    assert not isinstance(there, Unavailable)
    assert there >= -1e-12
    assert population_stability_index(actual, expected) == pytest.approx(there)


@given(pairs, st.integers(2, 50))
def test_the_same_shares_have_not_moved(bins: list[tuple[int, int]], by: int) -> None:
    expected = [e for e, _ in bins]
    assert population_stability_index(expected, [e * by for e in expected]) == pytest.approx(0, abs=1e-12)


def test_an_empty_bin_counts_half_a_row_and_one_empty_on_both_sides_nothing() -> None:
    # By hand: shares .5 and .5 against .5/100 and 1.
    want = (0.005 - 0.5) * math.log(0.005 / 0.5) + 0.5 * math.log(2)
    assert population_stability_index([50, 50], [0, 100]) == pytest.approx(want)
    assert population_stability_index([50, 50, 0], [0, 100, 0]) == pytest.approx(want)


@pytest.mark.parametrize("side", [([0, 0], [3, 4]), ([3, 4], [0, 0])])
def test_no_rows_have_no_distribution(side: tuple[list[int], list[int]]) -> None:
    got = population_stability_index(*side)
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.NO_UNITS


@pytest.mark.parametrize("side", [([1, 2], [1, 2, 3]), ([1], [1]), ([1, -2], [1, 2])])
def test_bins_that_do_not_match_are_refused(side: tuple[list[int], list[int]]) -> None:
    with pytest.raises(DataError, match="bin"):
        population_stability_index(*side)


@pytest.mark.slow
def test_samples_of_one_distribution_differ_by_as_much_as_their_sizes_explain() -> None:
    runs, rng = 2_000, np.random.default_rng(20_261_017)
    expected = rng.multinomial(4_000, [0.1] * 10, size=runs).tolist()
    actual = rng.multinomial(1_000, [0.1] * 10, size=runs).tolist()
    indices = [population_stability_index(e, a) for e, a in zip(expected, actual, strict=True)]
    average = float(np.mean([one for one in indices if not isinstance(one, Unavailable)]))
    # (bins - 1) (1/4000 + 1/1000); its chi-square has sd sqrt(2 · 9) / 9 of the mean.
    want = 9 * (1 / 4_000 + 1 / 1_000)
    assert average == pytest.approx(want, rel=3.29 * math.sqrt(2 / 9 / runs) + 0.01)


@pytest.mark.parametrize("rows", [math.nan, math.inf])
def test_a_bin_without_a_number_is_refused(rows: float) -> None:
    with pytest.raises(DataError, match="a bin holds"):
        population_stability_index([10, 20], [10, rows])  # type: ignore[list-item]
