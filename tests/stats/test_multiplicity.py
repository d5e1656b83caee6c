"""Holm's correction."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.errors import DataError, SpecError
from abflow.stats.multiplicity import holm, holm_by_name

p_values = st.lists(st.floats(0, 1), max_size=12)


@pytest.mark.parametrize(
    ("given_p", "adjusted"),
    [
        # By hand, and GrowthBook's tests for the second.
        ((0.01, 0.04, 0.03, 0.005), (0.03, 0.06, 0.06, 0.02)),
        ((0.01, 0.04, 0.03, 0.005, 0.55, 0.6), (0.05, 0.12, 0.12, 0.03, 1.0, 1.0)),
        ((0.02, 0.02), (0.04, 0.04)),
        ((0.7,), (0.7,)),
        ((), ()),
    ],
)
def test_holm_reproduces_known_answers(given_p: tuple[float, ...], adjusted: tuple[float, ...]) -> None:
    assert holm(given_p) == pytest.approx(adjusted)


@given(p_values)
def test_adjusting_keeps_the_order_and_never_helps(values: list[float]) -> None:
    adjusted = holm(values)
    for p, q in zip(values, adjusted, strict=True):
        assert p <= q <= 1
    ranked = [adjusted[i] for i in sorted(range(len(values)), key=values.__getitem__)]
    assert ranked == sorted(ranked)


@given(p_values, st.randoms())
def test_the_order_of_the_tests_does_not_matter(values: list[float], random: Random) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    shuffled = holm([values[i] for i in order])
    assert shuffled == pytest.approx([holm(values)[i] for i in order])


@given(p_values, st.floats(0.001, 0.2))
def test_adjusted_values_reject_what_holms_steps_reject(values: list[float], alpha: float) -> None:
    # The step-down procedure as Holm wrote it: go on while the k-th smallest is below alpha / (m - k + 1).
    rejected = 0
    for k, p in enumerate(sorted(values)):
        if p * (len(values) - k) > alpha:
            break
        rejected += 1
    assert sum(q <= alpha for q in holm(values)) == rejected


def test_names_come_back_with_their_p_values() -> None:
    got = holm_by_name({"b": 0.01, "a": 0.04, ("c", 1): 0.03, "d": 0.005})
    assert list(got) == ["b", "a", ("c", 1), "d"]
    assert got["a"] == pytest.approx(0.06)
    assert holm_by_name({}) == {}


def test_one_of_several_files_of_one_claim_pays_for_them_all() -> None:
    assert holm((0.01, 0.04), family_size=3) == pytest.approx((0.06, 0.12))
    assert holm((0.5,), family_size=3) == (1.0,)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(DataError, match="not between 0 and 1"):
        holm((0.5, p))
    with pytest.raises(SpecError, match="family_size 0"):
        holm((0.5,), family_size=0)


@pytest.mark.slow
def test_nine_equal_comparisons_yield_a_false_find_at_most_one_time_in_twenty() -> None:
    # Three arms against one control on three metrics: the z values of a metric share the control.
    runs, rng = 5_000, np.random.default_rng(20_261_011)
    control = rng.normal(size=(runs, 3, 1))
    z = (rng.normal(size=(runs, 3, 3)) - control) / math.sqrt(2)
    p = np.vectorize(math.erfc)(np.abs(z) / math.sqrt(2)).reshape(runs, 9)
    found = sum(min(holm(row)) < 0.05 for row in p.tolist())
    assert found / runs <= 0.05 + 3.29 * math.sqrt(0.05 * 0.95 / runs)
    assert float(np.mean(p.min(axis=1) < 0.05)) > 0.25
