"""Holm's correction and the others that an experiment file may name."""

from __future__ import annotations

import math
from random import Random
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.multiplicity import Correction, adjust, adjust_by_name, holm, holm_by_name

CORRECTIONS: tuple[Correction, ...] = (
    "holm",
    "hochberg",
    "bonferroni",
    "sidak",
    "benjamini_hochberg",
    "benjamini_yekutieli",
)
FALSE_DISCOVERY: dict[Correction, Literal["bh", "by"]] = {"benjamini_hochberg": "bh", "benjamini_yekutieli": "by"}
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


GROWTHBOOK = (0.898, 0.138, 0.007, 0.964, 0.538, 0.006, 0.138)
TEA_TASTING = (0.005, 0.06, 0.007, 0.04, 0.01, 0.03)


@pytest.mark.parametrize(
    ("correction", "given_p", "adjusted"),
    [
        # GrowthBook's and tea-tasting's tests of their corrections.
        ("benjamini_hochberg", GROWTHBOOK, (0.964, 0.2415, 0.0245, 0.964, 0.7532, 0.0245, 0.2415)),
        ("benjamini_hochberg", TEA_TASTING, (0.02, 0.06, 0.02, 0.048, 0.02, 0.045)),
        ("benjamini_yekutieli", TEA_TASTING, (0.049, 0.147, 0.049, 0.1176, 0.049, 0.11025)),
        ("hochberg", TEA_TASTING, (0.03, 0.06, 0.035, 0.06, 0.04, 0.06)),
        ("bonferroni", (0.01, 0.5), (0.02, 1.0)),
        ("sidak", (0.01, 1.0), (0.0199, 1.0)),
    ],
)
def test_the_other_corrections_reproduce_known_answers(
    correction: Correction, given_p: tuple[float, ...], adjusted: tuple[float, ...]
) -> None:
    assert adjust(given_p, correction) == pytest.approx(adjusted)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_the_false_discovery_rates_agree_with_scipy(values: list[float]) -> None:
    for correction, theirs in FALSE_DISCOVERY.items():
        want = stats.false_discovery_control(values, method=theirs)
        assert adjust(values, correction) == pytest.approx(want.tolist(), rel=1e-9, abs=1e-15)


@given(p_values, st.floats(0.001, 0.2))
def test_adjusted_values_reject_what_hochbergs_steps_reject(values: list[float], alpha: float) -> None:
    # The step-up procedure as Hochberg wrote it: from the largest down, stop at the first p(k) <= alpha / (m - k + 1)
    # and reject it and all smaller ones.
    rejected = 0
    for k, p in reversed(list(enumerate(sorted(values)))):
        if p * (len(values) - k) <= alpha:
            rejected = k + 1
            break
    assert sum(q <= alpha for q in adjust(values, "hochberg")) == rejected


@given(st.floats(0, 1), st.integers(1, 30))
def test_sidak_is_the_chance_that_the_smallest_of_so_many_is_as_small(p: float, tests: int) -> None:
    assert adjust([p] * tests, "sidak")[0] == pytest.approx(stats.beta.cdf(p, 1, tests), rel=1e-9)


@given(p_values, st.sampled_from(CORRECTIONS), st.randoms())
def test_no_correction_helps_changes_the_order_or_depends_on_it(
    values: list[float], correction: Correction, random: Random
) -> None:
    adjusted = adjust(values, correction)
    assert all(p * (1 - 1e-12) <= q <= 1 for p, q in zip(values, adjusted, strict=True))
    ranked = [adjusted[i] for i in sorted(range(len(values)), key=values.__getitem__)]
    assert ranked == sorted(ranked)
    order = list(range(len(values)))
    random.shuffle(order)
    assert adjust([values[i] for i in order], correction) == pytest.approx([adjusted[i] for i in order])


@given(p_values)
def test_the_corrections_stand_in_their_known_order_of_strictness(values: list[float]) -> None:
    by_name = {correction: adjust(values, correction) for correction in CORRECTIONS}
    pairs: tuple[tuple[Correction, Correction], ...] = (
        ("bonferroni", "sidak"),
        ("bonferroni", "holm"),
        ("holm", "hochberg"),
        ("hochberg", "benjamini_hochberg"),
        ("benjamini_yekutieli", "benjamini_hochberg"),
    )
    for stricter, milder in pairs:
        compared = zip(by_name[stricter], by_name[milder], strict=True)
        assert all(strict >= mild * (1 - 1e-12) for strict, mild in compared), (stricter, milder)


def test_a_p_value_too_small_for_one_minus_keeps_its_digits() -> None:
    assert adjust((1e-30, 0.5), "sidak")[0] == pytest.approx(2e-30)


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_one_of_several_files_pays_for_them_all_by_every_correction(correction: Correction) -> None:
    alone = adjust((0.001, 0.02), correction)
    assert adjust((0.001, 0.02), correction, family_size=3) == pytest.approx([3 * p for p in alone])
    assert adjust_by_name({"a": 0.001, "b": 0.02}, correction) == dict(zip("ab", alone, strict=True))


def test_a_correction_that_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(SpecError, match="'fdr' is unknown; choose one of holm, hochberg"):
        adjust((0.5,), "fdr")  # type: ignore[arg-type]  # what a hand-written file may hold


@pytest.mark.parametrize("size", [math.nan, math.inf])
def test_a_family_without_a_size_is_refused(size: float) -> None:
    with pytest.raises(SpecError, match="is not 1 or more"):
        holm([0.01], family_size=size)  # type: ignore[arg-type]
