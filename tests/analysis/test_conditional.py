"""A ratio or quantile is read among what units did after exposure: that is compared as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from abflow.analysis.compare import compare
from abflow.analysis.readout import Comparison
from abflow.stats.moments import joint_moments_of
from abflow.stats.quantile_rows import quantile_rows_of
from abflow.stats.result import Estimate
from tests.analysis.experiments import BOUGHT, arms_of, measured, population_of, rate, spec_of

RATIO: dict[str, Any] = {"role": "secondary", "kind": "ratio", "numerator": "purchase", "denominator": "visit"}
LATENCY: dict[str, Any] = {"role": "secondary", "kind": "quantile", "value": "latency_ms", "q": 0.9}


def compared(metric: dict[str, Any], control: Any, treatment: Any) -> Comparison:
    spec = spec_of({"bought": BOUGHT, "asked": metric})
    primary = arms_of("bought", rate(100, 1000), rate(110, 1000))
    found = compare(spec, population_of(*primary, control, treatment), contamination="exclude")
    return next(comparison for comparison in found if comparison.metric == "asked")


def test_the_denominator_of_a_ratio_is_compared_per_unit() -> None:
    random = np.random.default_rng(1)
    visits = [random.poisson(mean, size=400).astype(float) for mean in (3.0, 3.6)]
    pairs = [joint_moments_of(random.binomial(of.astype(int), 0.3).astype(float), of) for of in visits]
    arms = (
        measured("asked", name, pair.linearised(), pair=pair) for name, pair in zip(("old", "new"), pairs, strict=True)
    )
    base = compared(RATIO, *arms).base
    want = stats.ttest_ind(visits[1], visits[0], equal_var=False)
    assert base is not None
    assert isinstance(base.effect, Estimate)
    assert (base.control, base.treatment) == pytest.approx((visits[0].mean(), visits[1].mean()))
    assert base.effect.p_value == pytest.approx(want.pvalue)
    assert (base.effect.lower, base.effect.upper) == pytest.approx(tuple(want.confidence_interval(0.95)))


def test_the_rows_of_a_quantile_are_compared_per_unit_that_has_any() -> None:
    random = np.random.default_rng(2)
    numbers = [random.integers(1, most, size=300) for most in (4, 6)]
    arms = [(np.repeat(np.arange(300), of), random.lognormal(size=int(of.sum()))) for of in numbers]
    rows = quantile_rows_of(arms, 0.9)
    assert isinstance(rows, tuple)
    found = (measured("asked", name, rate(1, 300), rows=of) for name, of in zip(("old", "new"), rows, strict=True))
    base = compared(LATENCY, *found).base
    want = stats.ttest_ind(numbers[1], numbers[0], equal_var=False)
    assert base is not None
    assert isinstance(base.effect, Estimate)
    assert (base.control, base.treatment) == pytest.approx((numbers[0].mean(), numbers[1].mean()))
    assert base.effect.p_value == pytest.approx(want.pvalue)


def test_what_counts_every_unit_is_conditioned_on_nothing() -> None:
    found = compare(
        spec_of(), population_of(*arms_of("bought", rate(100, 1000), rate(110, 1000))), contamination="exclude"
    )
    assert [comparison.base for comparison in found] == [None]
