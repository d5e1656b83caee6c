"""Rows of chosen units, against both passes over the rows of these units themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abflow.errors import DataError
from abflow.stats.quantile_rows import QuantileRows, quantile_rows_of
from abflow.stats.result import Unavailable
from abflow.stats.unit_rows import ChosenRows, UnitRows, arm_rows_of, unit_rows_of

UNITS = 60


def rows_of(seed: int, *, heaped: bool = False) -> UnitRows:
    """Units with no row to a dozen; in every other world the values are heaped, and some are 0 or below."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(UNITS), rng.integers(0, 12, UNITS))
    values = rng.lognormal(4, 1, unit.size)
    return unit_rows_of(unit, np.round(values, -2) - 100 if heaped else values, units=UNITS)


def chosen(rows: UnitRows, places: Any) -> ChosenRows:
    return ChosenRows(rows=rows, times=np.bincount(places, minlength=UNITS).astype(float))


def laid_out(rows: UnitRows, places: Any) -> tuple[Any, Any]:
    """Every row of chosen units, each choice of a unit as a unit of its own."""
    own = [(number, rows.values[rows.unit == place]) for number, place in enumerate(places)]
    units = [np.full(values.size, number) for number, values in own]
    return np.concatenate(units), np.concatenate([values for _, values in own])


def numbers(rows: QuantileRows) -> list[float]:
    return [
        number
        for pair in (rows.at_own, rows.at_pooled)
        for number in (pair.n, pair.mean_x, pair.mean_y, pair.m2_x, pair.m2_y, pair.cross)
    ]


@pytest.mark.parametrize("q", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("seed", range(6))
def test_chosen_units_have_what_both_passes_over_their_rows_find(seed: int, q: float) -> None:
    rows, rng = rows_of(seed, heaped=seed % 2 == 1), np.random.default_rng(100 + seed)
    slower = rows.mapped(lambda values: values * 1.5)
    places = {"old": rng.integers(UNITS, size=50), "new": rng.integers(UNITS, size=80)}
    of = {"old": rows, "new": slower}
    got = arm_rows_of({arm: chosen(of[arm], places[arm]) for arm in of}, q)
    want = quantile_rows_of([laid_out(of[arm], places[arm]) for arm in of], q)
    assert not isinstance(want, Unavailable)
    for arm, known in zip(of, want, strict=True):
        assert got[arm].rows.histogram == known.histogram
        assert numbers(got[arm].rows) == pytest.approx(numbers(known), rel=1e-12, abs=1e-12)
        cut = known.histogram.quantile(q)
        by_unit = [of[arm].values[of[arm].unit == place] for place in places[arm]]
        sides = sum((each <= cut).any() for each in by_unit), sum((each > cut).any() for each in by_unit)
        assert got[arm].sides == min(sides)


def test_units_without_rows_and_nobody_at_all_have_none() -> None:
    rows = unit_rows_of([1, 1], [5.0, 7.0], units=3)
    got = arm_rows_of({"old": ChosenRows(rows=rows, times=np.array([2.0, 0.0, 1.0]))}, 0.5)["old"]
    assert got.rows.histogram.rows == ()
    assert (got.rows.at_own.n, got.sides) == (0, 0)
    empty = unit_rows_of([], [], units=3)
    assert arm_rows_of({"old": ChosenRows(rows=empty, times=np.ones(3))}, 0.5)["old"].rows.at_pooled.n == 0


@pytest.mark.parametrize(
    ("unit", "values"), [([0, 1], [1.0]), ([0, 1], [1.0, np.nan]), ([0, 3], [1.0, 2.0]), ([-1, 0], [1.0, 2.0])]
)
def test_a_row_without_a_unit_or_a_value_is_refused(unit: list[int], values: list[float]) -> None:
    with pytest.raises(DataError):
        unit_rows_of(unit, values, units=3)
