"""Power over days and units over sizes, as the pictures show them."""

from __future__ import annotations

from typing import Any

import pytest

from abflow.analysis.measurement import Assumed, Assumptions
from abflow.analysis.power_curves import LONGEST, SHARES, PowerCurves, power_curves
from abflow.analysis.sizing import size_test
from abflow.errors import NotEnoughData
from tests.analysis.experiments import BOUGHT, ERRORS, FIRST, spec_of

NO_AA: dict[str, Any] = {
    "shadow": {"skip": "nothing to mirror"},
    "aa": {"skip": "measured elsewhere"},
    "test": {"start": FIRST, "enroll_days": 14, "days": 14},
}
SPEC = spec_of({"bought": BOUGHT, "errors": ERRORS}, phases=NO_AA)


def curves(per_day: float | None) -> PowerCurves:
    known = {"bought": Assumed(mean=0.10), "errors": Assumed(mean=0.01)}
    return power_curves(
        SPEC, size_test(SPEC, None, None, days=14, assumed=Assumptions(baselines=known, units_per_day=per_day))
    )


def test_power_grows_with_days_and_reaches_what_was_asked_on_the_day_that_brings_the_units() -> None:
    got = curves(500.0)
    assert (got.in_days, got.planned, got.power, got.size) == (True, 14.0, 0.8, 0.02)
    for share in SHARES:
        line = [point for point in got.by_units if point.size == pytest.approx(0.02 * share)]
        assert [point.at for point in line] == [float(day) for day in range(len(line))]
        powers = [point.power for point in line]
        assert powers == sorted(powers)
        assert powers[0] == 0
    planned = [point for point in got.by_units if point.size == pytest.approx(0.02)]
    first = next(point for point in planned if point.power >= 0.8)
    assert first.units - 500 < got.needed <= first.units


def test_without_days_the_axis_shows_units() -> None:
    got = curves(None)
    assert (got.in_days, got.planned) == (False, None)
    assert max(point.at for point in got.by_units) == 2 * got.needed
    assert all(point.at == point.units for point in got.by_units)


def test_a_slow_inflow_is_not_drawn_for_ever() -> None:
    assert max(point.at for point in curves(1.0).by_units) == LONGEST


def test_a_larger_effect_takes_fewer_units() -> None:
    got = curves(500.0)
    units = [point.units for point in got.by_size]
    assert units == sorted(units, reverse=True)
    assert got.by_size[0].size == pytest.approx(0.01)
    assert got.by_size[-1].size == pytest.approx(0.04)
    middle = min(got.by_size, key=lambda point: abs(point.size - 0.02))
    assert middle.units == pytest.approx(got.needed, rel=0.02)


def test_a_plan_without_a_size_has_no_curves() -> None:
    sizing = size_test(SPEC, None, None, days=14)
    with pytest.raises(NotEnoughData, match=r"has no power curves yet\. Nobody measured how many units come"):
        power_curves(SPEC, sizing)
