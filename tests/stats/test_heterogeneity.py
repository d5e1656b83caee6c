"""Segments: Cochran's Q and the levels' own effects."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import DataError, SpecError
from abflow.stats.heterogeneity import Heterogeneity, Level, heterogeneity
from abflow.stats.moments import Moments
from abflow.stats.multiplicity import holm
from abflow.stats.proportions import difference_in_proportions
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

effects = st.lists(
    st.tuples(st.floats(-100, 100), st.floats(0.01, 10)).map(lambda pair: estimate(*pair)), min_size=2, max_size=8
)


def test_a_published_meta_analysis_is_reproduced() -> None:
    # BCG vaccine, 13 trials (Colditz 1994): log risk ratios and variances as in R's metafor, dat.bcg; its fixed-effect
    # model gives Q 152.2330 on 12 degrees of freedom and I² 92.12 %.
    trials = (
        (-0.8893, 0.3256),
        (-1.5854, 0.1946),
        (-1.3481, 0.4154),
        (-1.4416, 0.0200),
        (-0.2175, 0.0512),
        (-0.7861, 0.0069),
        (-1.6209, 0.2230),
        (0.0120, 0.0040),
        (-0.4694, 0.0564),
        (-1.3713, 0.0730),
        (-0.3394, 0.0124),
        (0.4459, 0.5325),
        (-0.0173, 0.0714),
    )
    got = found(heterogeneity([level(f"trial {i}", *t) for i, t in enumerate((y, math.sqrt(v)) for y, v in trials)]))
    assert (got.q, got.dof) == pytest.approx((152.2330, 12), rel=3e-3)  # inputs are rounded to four digits
    assert got.i_squared == pytest.approx(0.9212, abs=5e-4)
    assert got.p_value < 1e-20


@given(effects)
def test_two_levels_are_the_interaction_test_of_two_estimates(levels: list[Estimate]) -> None:
    first, second = levels[:2]
    got = found(heterogeneity([Level(name=n, effect=e, units=(100, 100)) for n, e in zip("ab", levels, strict=False)]))
    z = (first.value - second.value) / math.hypot(first.se, second.se)
    assert got.q == pytest.approx(z * z, rel=1e-6, abs=1e-9)
    assert got.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-5, abs=1e-9)


@given(effects, st.floats(-1e3, 1e3), st.sampled_from([1e-3, 7.0, 1e6]))
def test_neither_a_common_effect_nor_the_currency_nor_the_order_matter(
    levels: list[Estimate], shift: float, by: float
) -> None:
    plain = found(heterogeneity(named(levels)))
    moved = found(heterogeneity(named([estimate(e.value * by + shift * by, e.se * by) for e in levels[::-1]])))
    assert moved.q == pytest.approx(plain.q, rel=1e-6, abs=1e-5)
    assert moved.i_squared == pytest.approx(plain.i_squared, abs=1e-4)
    assert 0 <= plain.i_squared <= 1


def test_levels_with_one_effect_do_not_differ() -> None:
    got = found(heterogeneity(named([estimate(0.3, 0.1), estimate(0.3, 0.5), estimate(0.3, 2.0)])))
    assert (got.q, got.i_squared) == pytest.approx((0, 0), abs=1e-12)
    assert got.p_value == pytest.approx(1.0)


def test_tiny_errors_do_not_overflow() -> None:
    got = found(heterogeneity(named([estimate(1e-180, 1e-180), estimate(3e-180, 1e-180)])))
    assert got.q == pytest.approx(2.0)


def test_levels_are_corrected_within_their_segment() -> None:
    levels = [estimate(0.3, 0.1), estimate(0.05, 0.1), estimate(-0.22, 0.1)]
    got = found(heterogeneity(named(levels)))
    assert [one.adjusted_p for one in got.levels] == pytest.approx(holm([one.p_value for one in levels]))
    assert [one.effect for one in got.levels] == levels
    # Bonferroni: each at 1 - 0.05 / 3.
    half = stats.norm.isf(0.025 / 3) * 0.1
    assert got.levels[0].simultaneous == pytest.approx((0.3 - half, 0.3 + half))
    narrow = found(heterogeneity(named(levels), confidence=0.8)).levels[0].simultaneous
    assert narrow[0] > got.levels[0].simultaneous[0]


def test_an_interval_that_is_not_symmetric_keeps_its_shape() -> None:
    rare = difference_in_proportions(rate(2, 400), rate(12, 400), confidence=0.9)
    common = difference_in_proportions(rate(100, 400), rate(110, 400), confidence=0.9)
    got = found(heterogeneity([Level(name=n, effect=e, units=(400, 400)) for n, e in (("r", rare), ("c", common))]))
    one = got.levels[0]
    below, above = one.effect.value - one.simultaneous[0], one.simultaneous[1] - one.effect.value
    assert isinstance(rare, Estimate)
    assert above / below == pytest.approx((rare.upper - rare.value) / (rare.value - rare.lower))
    assert above / (rare.upper - rare.value) == pytest.approx(stats.norm.isf(0.0125) / stats.norm.isf(0.05))


def test_small_levels_and_those_without_an_effect_are_named_and_left_out() -> None:
    nothing = Unavailable(reason=UnavailableReason.NO_VARIANCE, detail="no unit of both arms had the event")
    levels = [
        level("at", 0.1, 0.1),
        Level(name="ch", effect=estimate(0.4, 0.3), units=(99, 5_000)),
        Level(name="de", effect=nothing, units=(100, 100)),
        Level(name="fr", effect=estimate(0.4, 0.0), units=(100, 100)),
        level("it", 0.3, 0.1),
    ]
    got = found(heterogeneity(levels))
    assert [one.name for one in got.levels] == ["at", "it"]
    assert {name: why.reason for name, why in got.left_out.items()} == {
        "ch": UnavailableReason.TOO_FEW_UNITS,
        "de": UnavailableReason.NO_VARIANCE,
        "fr": UnavailableReason.NO_VARIANCE,
    }
    assert "99 and 5000 units" in got.left_out["ch"].detail
    assert got == found(heterogeneity([*levels[1:4], *levels[::4]]))


@pytest.mark.parametrize("count", [0, 1])
def test_one_level_cannot_differ_from_itself(count: int) -> None:
    got = heterogeneity([level("at", 0.1, 0.1)][:count])
    assert isinstance(got, Unavailable)
    assert got.reason is UnavailableReason.TOO_FEW_UNITS


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(DataError, match="given twice"):
        heterogeneity([level("at", 0.1, 0.1), level("at", 0.2, 0.1)])
    with pytest.raises(SpecError, match=r"write 0\.95"):
        heterogeneity([], confidence=95)


def estimate(value: float, se: float) -> Estimate:
    half = 1.959963984540054 * se
    p_value = math.erfc(abs(value) / se / math.sqrt(2)) if se else 1.0
    return Estimate(
        value=value, se=se, lower=value - half, upper=value + half, p_value=p_value, confidence=0.95, method="z"
    )


def level(name: str, value: float, se: float) -> Level:
    return Level(name=name, effect=estimate(value, se), units=(100, 100))


def named(levels: list[Estimate]) -> list[Level]:
    return [Level(name=str(i), effect=one, units=(100, 120)) for i, one in enumerate(levels)]


def rate(successes: int, n: int) -> Moments:
    return Moments(n=n, mean=successes / n, m2=successes * (n - successes) / n)


def found(got: Heterogeneity | Unavailable) -> Heterogeneity:
    assert isinstance(got, Heterogeneity), got
    return got
