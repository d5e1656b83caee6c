"""Questions to any posterior."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abflow.errors import SpecError
from abflow.stats.normal_posterior import NormalPosterior
from abflow.stats.posterior import probability_within


@pytest.mark.parametrize("mean", [-3.0, -0.5, 0.0, 0.2, 9.0])
def test_the_region_of_practical_equivalence_holds_what_the_normal_leaves_there(mean: float) -> None:
    got = probability_within(NormalPosterior(mean=mean, sd=0.5), -0.4, 0.6)
    low, high = (-0.4 - mean) / 0.5, (0.6 - mean) / 0.5
    # Of the two forms the one that does not subtract numbers next to 1.
    want = stats.norm.sf(low) - stats.norm.sf(high) if mean < 0 else stats.norm.cdf(high) - stats.norm.cdf(low)
    assert got == pytest.approx(want, rel=1e-12, abs=0)


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.01, 5), st.floats(0.01, 5))
def test_neighbouring_regions_add_up(mean: float, low: float, one: float, two: float) -> None:
    posterior = NormalPosterior(mean=mean, sd=1.0)
    parts = probability_within(posterior, low, low + one) + probability_within(posterior, low + one, low + one + two)
    assert probability_within(posterior, low, low + one + two) == pytest.approx(parts, abs=1e-14)


@pytest.mark.parametrize(("low", "high"), [(0.1, -0.1), (0.0, 0.0), (float("nan"), 1.0)])
def test_an_empty_region_is_refused(low: float, high: float) -> None:
    with pytest.raises(SpecError, match="lower end comes first"):
        probability_within(NormalPosterior(mean=0.0, sd=1.0), low, high)
