"""What a metric looks like without any effect, for every kind of metric."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from abflow.analysis.gates import Check
from abflow.analysis.measurement import NOTHING_ASSUMED, Assumed, Assumptions, Measurement, measurement
from abflow.analysis.population import Population
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.moments import Moments, joint_moments_of
from abflow.stats.quantile_rows import quantile_rows_of
from abflow.stats.result import Unavailable
from abflow.stats.vector_moments import vector_moments_of
from tests.analysis.experiments import BOUGHT, ERRORS, SPENT, arms_of, counted, measured, population_of, rate, spec_of

CTR: dict[str, Any] = {
    "role": "primary",
    "kind": "ratio",
    "numerator": "click",
    "denominator": "view",
    "mde": {"relative": 0.05},
    "why": "the page decides how much is viewed",
}
P90: dict[str, Any] = {
    "role": "guardrail",
    "kind": "quantile",
    "value": "latency_ms",
    "q": 0.9,
    "direction": "decrease",
    "margin": {"relative": 0.1},
}
CUPED = {"cuped": {"days": 14}}


def known(
    spec: ExperimentSpec, name: str, aa: Population | None, assumed: Assumptions = NOTHING_ASSUMED
) -> Measurement:
    found = measurement(spec, name, aa, assumed=assumed)
    assert isinstance(found, Measurement), found
    return found


def test_a_rate_has_no_spread_of_its_own() -> None:
    got = known(spec_of(), "bought", population_of(*arms_of("bought", rate(500, 5000), rate(500, 5000))))
    assert got == Measurement(mean=0.1, sd=None, source="10 000 mature A/A units")


def test_a_mean_brings_its_spread() -> None:
    values = np.random.default_rng(1).exponential(20, 2_000)
    halves = (values[:1000], values[1000:])
    arms = [counted("spent", name, list(half)) for name, half in zip(("old", "new"), halves, strict=True)]
    got = known(spec_of({"spent": SPENT}), "spent", population_of(*arms))
    assert got.mean == pytest.approx(values.mean())
    assert got.sd == pytest.approx(values.std(ddof=1))


def test_a_ratio_spreads_as_its_linearised_units_do() -> None:
    rng = np.random.default_rng(2)
    views = rng.geometric(0.2, 4_000).astype(float)
    clicks = rng.binomial(views.astype(int), rng.beta(1, 9, 4_000)).astype(float)
    arms = [
        measured(
            "ctr", name, joint_moments_of(clicks[part], views[part]).x, pair=joint_moments_of(clicks[part], views[part])
        )
        for name, part in (("old", slice(0, 2000)), ("new", slice(2000, 4000)))
    ]
    arms = [measured("ctr", arm.variant, arm.moments, pair=arm.pair, non_zero=1000) for arm in arms]
    got = known(spec_of({"ctr": CTR}), "ctr", population_of(*arms, events_seen=("click", "view")))
    ratio = clicks.sum() / views.sum()
    linear = ratio + (clicks - ratio * views) / views.mean()
    assert got.mean == pytest.approx(ratio)
    assert got.sd == pytest.approx(linear.std(ddof=1))
    # A unit with many views is worth more of them: the spread is not that of the rate of a single view.
    assert got.sd != pytest.approx(math.sqrt(ratio * (1 - ratio) / views.mean()), rel=0.05)


def test_a_quantile_spreads_as_its_share_over_the_density_there() -> None:
    # One row per unit from the exponential distribution: at its 90th percentile, ln 10, the density is 0.1, so that
    # the standard error is sqrt(0.9 · 0.1 / n) / 0.1 (Serfling 1980, section 2.3.3).
    values = np.random.default_rng(5).exponential(1, 40_000)
    halves = [(np.arange(20_000), values[:20_000]), (np.arange(20_000), values[20_000:])]
    rows = quantile_rows_of(halves, 0.9)
    assert not isinstance(rows, Unavailable)
    one_each = Moments(n=20_000, mean=1.0, m2=0.0)
    arms = [
        measured("p90", name, one_each, rows=each, non_zero=20_000)
        for name, each in zip(("old", "new"), rows, strict=True)
    ]
    got = known(spec_of({"bought": BOUGHT, "p90": P90}), "p90", population_of(*arms))
    assert got.mean == pytest.approx(math.log(10), rel=0.02)
    # The density is read from the 235 rows or so between the ends of the interval.
    assert got.sd == pytest.approx(3.0, rel=3.29 / math.sqrt(235))


def test_rows_of_one_unit_resemble_each_other_and_spread_the_quantile_wider() -> None:
    rng = np.random.default_rng(6)
    unit = np.repeat(np.arange(4_000), 10)
    alike = np.exp(rng.standard_normal(4_000)[unit] + 0.3 * rng.standard_normal(40_000))
    rows = quantile_rows_of([(unit[:20_000], alike[:20_000]), (unit[20_000:], alike[20_000:])], 0.9)
    assert not isinstance(rows, Unavailable)
    ten_each = Moments(n=2_000, mean=10.0, m2=0.0)
    arms = [
        measured("p90", name, ten_each, rows=each, non_zero=2_000)
        for name, each in zip(("old", "new"), rows, strict=True)
    ]
    got = known(spec_of({"bought": BOUGHT, "p90": P90}), "p90", population_of(*arms))
    assert got.sd is not None
    quantile = math.exp(1.281552 * math.hypot(1, 0.3))
    density = 0.175498 / (quantile * math.hypot(1, 0.3))
    rowwise = math.sqrt(0.9 * 0.1) / density / math.sqrt(10)
    assert 2 * rowwise < got.sd < math.sqrt(10) * rowwise


def with_history(correlation: float) -> Population:
    rng = np.random.default_rng(3)
    before = rng.standard_normal(20_000)
    during = correlation * before + math.sqrt(1 - correlation**2) * rng.standard_normal(20_000)
    arms = []
    for name, part in (("old", slice(0, 10_000)), ("new", slice(10_000, 20_000))):
        found = counted("spent", name, list(50 + during[part]))
        history = vector_moments_of(np.column_stack([50 + during[part], before[part]]))
        arms.append(measured("spent", name, found.moments, history=history, non_zero=10_000))
    return population_of(*arms)


def test_history_takes_off_what_it_explained_in_the_aa_phase() -> None:
    got = known(spec_of({"spent": SPENT}, analysis=CUPED), "spent", with_history(0.6))
    assert got.history == pytest.approx(1 - 0.6**2, abs=0.02)
    assert got.history_source == "correlation 0.60 in the A/A phase"


def test_history_that_explained_everything_is_not_counted_on() -> None:
    # Nobody changed what they do during the A/A phase; a test sized so would take no units at all.
    got = known(spec_of({"spent": SPENT}, analysis=CUPED), "spent", with_history(1.0))
    assert (got.history, got.history_source) == (
        1.0,
        "history explained everything in the A/A phase, which no test can count on, so nothing is taken off",
    )


def test_without_cuped_history_is_not_looked_at() -> None:
    got = known(spec_of({"spent": SPENT}), "spent", with_history(0.6))
    assert (got.history, got.history_source) == (1.0, "")


def test_an_assumed_correlation_goes_before_the_measured_one() -> None:
    spec = spec_of({"spent": SPENT}, analysis=CUPED)
    got = known(spec, "spent", with_history(0.6), Assumptions(correlation=0.5))
    assert (got.history, got.history_source) == (0.75, "correlation 0.5, assumed")


def test_an_unmeasured_history_takes_nothing_off_and_says_so() -> None:
    aa = population_of(*arms_of("bought", rate(500, 5000), rate(500, 5000)))
    got = known(spec_of(analysis=CUPED), "bought", aa)
    assert got.history == 1
    assert "nobody has measured" in got.history_source


def test_what_is_assumed_goes_before_everything() -> None:
    aa = population_of(*arms_of("bought", rate(500, 5000), rate(500, 5000)))
    spec = spec_of(sizing={"baseline": {"value": 0.3, "units_per_day": 10, "source": "a guess"}})
    assumed = Assumptions(baselines={"bought": Assumed(mean=0.2)})
    assert known(spec, "bought", aa, assumed) == Measurement(mean=0.2, sd=None, source="assumed")
    assert known(spec, "bought", aa).mean == 0.1
    assert known(spec, "bought", None) == Measurement(mean=0.3, sd=None, source="declared: a guess")


def test_what_is_declared_speaks_for_the_primary_only() -> None:
    spec = spec_of(
        {"bought": BOUGHT, "errors": ERRORS},
        sizing={"baseline": {"value": 0.3, "units_per_day": 10, "source": "a guess"}},
    )
    found = measurement(spec, "errors", None)
    assert isinstance(found, Check)
    assert found.sentence == (
        "errors cannot be sized: no A/A phase has measured it. Let one run, or set `sized: false` with a `why`."
    )


def test_denominators_that_are_all_zero_give_no_ratio() -> None:
    none = joint_moments_of(np.zeros(1000), np.zeros(1000))
    arms = [measured("ctr", name, none.x, pair=none, non_zero=1000) for name in ("old", "new")]
    found = measurement(spec_of({"ctr": CTR}), "ctr", population_of(*arms))
    assert isinstance(found, Check)
