"""Experiments drawn from units that all got the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abflow.analysis.compare import difference
from abflow.analysis.drawn_population import population_of
from abflow.analysis.drawn_units import Arms, DrawnUnits, drawing, planned_effect
from abflow.analysis.unit_records import UnitRecords
from abflow.errors import NotEnoughData
from abflow.stats.means import difference_in_means, difference_in_ratios
from abflow.stats.moments import joint_moments_of, moments_of
from abflow.stats.power_simulation import multiplied
from abflow.stats.result import Estimate
from tests.analysis.experiments import BOUGHT, SPENT, spec_of

HALVES = {"old": 0.5, "new": 0.5}
RNG = np.random.default_rng(1)
CLICKS: dict[str, Any] = {
    "role": "primary",
    "kind": "ratio",
    "numerator": "purchase",
    "denominator": "visit",
    "why": "the page is what changes",
    "mde": {"relative": 0.10},
}


def test_metrics_of_the_same_units_stay_related_and_others_do_not_get_mixed_up() -> None:
    spent = RNG.lognormal(size=1000)
    values = {"spent": spent, "doubled": 2 * spent, "early": RNG.lognormal(size=400)}
    arms = drawing(values, shares=HALVES, effects={}, units=800)(np.random.default_rng(3))
    for columns in arms.values():
        assert columns["doubled"] == pytest.approx(2 * columns["spent"])
    assert sum(len(columns["spent"]) for columns in arms.values()) == 800
    assert sum(len(columns["early"]) for columns in arms.values()) == 800  # more than there are: some come twice


def test_an_effect_reaches_its_arm_and_its_metric_only() -> None:
    values = {"spent": np.ones(1000), "visits": np.ones(1000)}
    draw = drawing(values, shares=HALVES, effects={"new": {"spent": multiplied(1.5)}}, units=1000)
    arms = draw(np.random.default_rng(3))
    means = {(arm, name): column.mean() for arm, columns in arms.items() for name, column in columns.items()}
    assert means == {("old", "spent"): 1.0, ("old", "visits"): 1.0, ("new", "spent"): 1.5, ("new", "visits"): 1.0}


@pytest.mark.parametrize("values", [np.empty(0), np.array([1.0, np.nan])])
def test_units_that_say_nothing_cannot_be_drawn(values: Any) -> None:
    with pytest.raises(NotEnoughData, match="spent cannot be drawn"):
        drawing({"spent": values}, shares=HALVES, effects={}, units=10)


@pytest.mark.parametrize(
    ("metric", "mde", "moved"),
    [
        (SPENT, {"relative": 0.10}, 2.2),
        (SPENT, {"absolute": 0.5}, 2.5),
        (SPENT | {"direction": "decrease"}, {"relative": -0.10}, 1.8),
        (SPENT | {"direction": "decrease"}, {"absolute": -0.5}, 1.5),
    ],
)
def test_the_planned_effect_moves_the_mean_by_the_mde(
    metric: dict[str, Any], mde: dict[str, float], moved: float
) -> None:
    spec = spec_of({"spent": metric | {"mde": mde}})
    values = np.full(10, 2.0)
    assert planned_effect(spec.primary, values)(values, RNG).mean() == pytest.approx(moved)


@pytest.mark.parametrize(
    ("direction", "mde", "moved"),
    [
        ("increase", {"relative": 0.5}, 0.15),
        ("increase", {"absolute": 0.02}, 0.12),
        ("decrease", {"relative": -0.5}, 0.05),
        ("decrease", {"absolute": -0.02}, 0.08),
    ],
)
def test_the_planned_effect_moves_a_rate_by_the_mde(direction: str, mde: dict[str, float], moved: float) -> None:
    spec = spec_of({"bought": BOUGHT | {"direction": direction, "mde": mde}})
    values = np.array([1.0] + [0.0] * 9).repeat(20_000)
    found = planned_effect(spec.primary, values)(values, RNG)
    assert found.mean() == pytest.approx(moved, abs=0.003)
    assert set(found) == {0.0, 1.0}


@pytest.mark.parametrize(("mde", "moved"), [({"relative": 0.10}, 0.55), ({"absolute": 0.1}, 0.6)])
def test_the_planned_effect_moves_a_ratio_by_the_mde(mde: dict[str, float], moved: float) -> None:
    spec = spec_of({"clicks": CLICKS | {"mde": mde}})
    pairs = np.array([[1.0, 4.0], [3.0, 4.0]])
    clicks, visits = planned_effect(spec.primary, pairs)(pairs, RNG).T
    assert clicks.sum() / visits.sum() == pytest.approx(moved)


def test_drawn_units_are_measured_as_the_engine_would() -> None:
    spent, pairs = RNG.lognormal(size=(2, 500)), RNG.integers(1, 6, size=(2, 500, 2)).astype(float)
    spec = spec_of({"spent": SPENT})
    mean = difference(spec, population_of(spec, arms("spent", spent)), "spent", "new", contamination="exclude")
    assert mean == difference_in_means(*map(moments_of, spent))
    spec = spec_of({"clicks": CLICKS})
    ratio = difference(spec, population_of(spec, arms("clicks", pairs)), "clicks", "new", contamination="exclude")
    known = difference_in_ratios(*(joint_moments_of(*each.T) for each in pairs))
    assert isinstance(ratio, Estimate)
    assert isinstance(known, Estimate)
    assert (ratio.value, ratio.se) == pytest.approx((known.value, known.se))


def test_an_arm_without_any_denominator_has_no_ratio_and_stops_nothing() -> None:
    nobody = np.column_stack((np.ones(20), np.zeros(20)))
    spec = spec_of({"clicks": CLICKS})
    population = population_of(spec, arms("clicks", np.stack((nobody, nobody))))
    assert not isinstance(difference(spec, population, "clicks", "new", contamination="exclude"), Estimate)


def arms(metric: str, values: Any) -> dict[str, dict[str, Any]]:
    return {"old": {metric: values[0]}, "new": {metric: values[1]}}
