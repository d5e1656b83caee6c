from __future__ import annotations

import numpy as np
import pytest

from abflow.simulate.clock import NEVER
from abflow.simulate.population import Units, draw_units
from abflow.simulate.truth import Truth
from abflow.spec.assignment import variant_of
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec
from tests.simulate.worlds import TEST, spec_of, truth_of

THREE = {"a": {"weight": 5}, "b": {"weight": 3}, "c": {"weight": 2}}


def _units(spec: ExperimentSpec, truth: Truth, seed: int = 1) -> Units:
    return draw_units(spec, truth, calendar_of(spec), seed=seed)


@pytest.mark.parametrize("salt", [None, "it's salted"])
def test_hash_assignment_is_the_one_of_the_router(salt: str | None) -> None:
    spec = spec_of(variants=THREE, model=None, salt=salt)
    units = _units(spec, truth_of(units_per_day=50))
    drawn = [list(spec.variants)[index] for index in units.variant]
    assert drawn == [variant_of(f"u{key:016x}", spec) for key in units.key]


def test_external_assignment_follows_the_weights_and_not_the_hash() -> None:
    spec = spec_of(variants=THREE, model=None, assignment="external")
    units = _units(spec, truth_of(units_per_day=1000))
    shares = np.bincount(units.variant) / len(units)
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=4.5 * 0.5 / len(units) ** 0.5)
    hashed = [variant_of(f"u{key:016x}", spec) for key in units.key[:200]]
    assert [list(spec.variants)[index] for index in units.variant[:200]] != hashed


def test_no_two_units_share_a_name() -> None:
    units = _units(spec_of(), truth_of(units_per_day=5000))
    assert len(np.unique(units.key)) == len(units)


def test_other_seeds_have_other_units() -> None:
    first, second = (_units(spec_of(), truth_of(), seed=seed) for seed in (1, 2))
    assert not set(first.key.tolist()) & set(second.key.tolist())


def test_a_longer_test_leaves_the_earlier_days_as_they_were() -> None:
    longer = spec_of(phases={**spec_of().model_dump()["phases"], "test": {**TEST, "days": 14}})
    short, long = _units(spec_of(), truth_of()), _units(longer, truth_of())
    n = len(short)
    assert len(long) > n
    for column in ("key", "arrival", "leaving", "variant", "established", "slowness"):
        assert np.array_equal(getattr(short, column), getattr(long, column)[:n]), column


def test_a_rate_set_anew_leaves_the_other_draws_as_they_were() -> None:
    plain, crossed = _units(spec_of(), truth_of()), _units(spec_of(), truth_of(crossed_rate=0.5, skew=0.1))
    assert np.array_equal(plain.established, crossed.established)
    assert np.array_equal(plain.disposition["purchase"], crossed.disposition["purchase"])
    assert crossed.crossed.any()


def test_shares_of_the_population_are_the_truth() -> None:
    units = _units(spec_of(), truth_of(units_per_day=2000, established_share=0.3, unexposed_share=0.2))
    exposed = units.arrival != NEVER
    n = exposed.sum()
    assert units.established[exposed].mean() == pytest.approx(0.3, abs=4.5 * 0.46 / n**0.5)
    assert (~exposed).sum() / n == pytest.approx(0.2, rel=0.06)
    assert n == pytest.approx(2000 * 15, rel=0.06)
