"""Experiments drawn from units that all got the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abflow.analysis.compare import difference
from abflow.analysis.drawn_population import population_of
from abflow.analysis.drawn_units import Arms, DrawnUnits, drawing, planned_effect
from abflow.analysis.unit_listing import listings_of
from abflow.analysis.unit_records import UnitRecords
from abflow.errors import DataError, NotEnoughData
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.means import difference_in_means, difference_in_ratios
from abflow.stats.moments import joint_moments_of, moments_of
from abflow.stats.power_simulation import multiplied
from abflow.stats.result import Estimate
from abflow.stats.unit_rows import unit_rows_of
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
LATENCY: dict[str, Any] = {
    "role": "guardrail",
    "kind": "quantile",
    "value": "latency_ms",
    "q": 0.5,
    "direction": "decrease",
    "margin": {"relative": 0.1},
}

PHASES: dict[str, Any] = {
    "shadow": {"skip": "nothing to mirror"},
    "aa": {"skip": "its units are given"},
    "test": {"start": "2026-10-01", "enroll_days": 7, "days": 14},
}


def spec_with(**windows: int | None) -> ExperimentSpec:
    first, *others = windows
    roles = {first: "primary"} | dict.fromkeys(others, "secondary")
    return spec_of(
        {name: SPENT | {"role": roles[name], "window_days": days} for name, days in windows.items()}, phases=PHASES
    )


def test_what_a_unit_did_stays_together() -> None:
    spent = RNG.lognormal(size=1000)
    known = np.flatnonzero(RNG.random(1000) < 0.4)
    records = {
        "spent": UnitRecords(numbers=spent, before=3 * spent),
        "doubled": UnitRecords(numbers=2 * spent),
        "late": UnitRecords(numbers=5 * spent[known], who=known),
        "later": UnitRecords(numbers=7 * spent[known], who=known),
    }
    arms = drawing(records, shares=HALVES, effects={}, units=800)(np.random.default_rng(3))
    for of in arms.values():
        assert of["doubled"].numbers == pytest.approx(2 * numbers(of["spent"]))
        assert records["spent"].before is not None
        assert records["spent"].before[of["spent"].places] == pytest.approx(3 * numbers(of["spent"]))
        listed = np.isin(of["spent"].places, known)
        assert numbers(of["late"])[listed] == pytest.approx(5 * numbers(of["spent"])[listed])
        # Where its window is not over, somebody stands in for the unit, in every metric with this window.
        assert not np.isclose(numbers(of["late"])[~listed], 5 * numbers(of["spent"])[~listed]).any()
        assert numbers(of["later"]) == pytest.approx(1.4 * numbers(of["late"]))
        assert len(of["spent"].places) == len(of["late"].places)
    assert sum(len(of["spent"].places) for of in arms.values()) == 800


def test_a_metric_keeps_the_values_of_its_own_units() -> None:
    # The first to come do more: that only they are known in a metric moves no other metric, and nobody moves theirs.
    known = np.arange(300)
    visits = np.where(np.arange(1000) < 300, 9.0, 1.0)
    records = {"visits": UnitRecords(numbers=visits), "spent": UnitRecords(numbers=visits[known], who=known)}
    arms = drawing(records, shares=HALVES, effects={}, units=20_000)(np.random.default_rng(3))
    for of in arms.values():
        assert numbers(of["visits"]).mean() == pytest.approx(3.4, abs=0.15)
        assert set(numbers(of["spent"])) == {9.0}


def test_units_that_no_two_metrics_share_are_all_drawn() -> None:
    first, last = np.arange(5), np.arange(5, 12)
    records = {"a": UnitRecords(numbers=np.zeros(5), who=first), "b": UnitRecords(numbers=np.ones(7), who=last)}
    assert [(each.metrics, each.units, each.everybody) for each in listings_of(records)] == [
        (("a",), 5, 12),
        (("b",), 7, 12),
    ]


def test_a_unit_keeps_its_rows() -> None:
    rows = unit_rows_of(np.repeat(np.arange(500), 2), np.arange(1000.0), units=500)
    records = {"spent": UnitRecords(numbers=np.arange(500.0)), "latency": UnitRecords(rows=rows)}
    slower = {"new": {"latency": multiplied(2.0)}}
    arms = drawing(records, shares=HALVES, effects=slower, units=300)(np.random.default_rng(3))
    for arm, by in (("old", 1.0), ("new", 2.0)):
        drawn = arms[arm]["latency"]
        assert drawn.places.tolist() == numbers(arms[arm]["spent"]).tolist()
        assert drawn.of.rows is not None
        assert drawn.of.rows.values.tolist() == (by * np.arange(1000.0)).tolist()


def test_an_effect_reaches_its_arm_and_its_metric_only_and_no_history() -> None:
    ones = UnitRecords(numbers=np.ones(1000), before=np.ones(1000))
    spec = spec_with(spent=None, visits=None)
    effects = {"new": {"spent": multiplied(1.5)}}
    arms = drawing({"spent": ones, "visits": ones}, shares=HALVES, effects=effects, units=1000)(RNG)
    means = {(arm, name): numbers(drawn).mean() for arm, of in arms.items() for name, drawn in of.items()}
    assert means == {("old", "spent"): 1.0, ("old", "visits"): 1.0, ("new", "spent"): 1.5, ("new", "visits"): 1.0}
    history = population_of(spec, arms).measured[1].history
    assert history is not None
    assert history.mean == (1.5, 1.0)


@pytest.mark.parametrize(
    "record",
    [
        UnitRecords(numbers=np.empty(0)),
        UnitRecords(numbers=np.array([1.0, np.nan])),
        UnitRecords(numbers=np.ones(2), before=np.array([1.0, np.inf])),
    ],
)
def test_units_that_say_nothing_cannot_be_drawn(record: UnitRecords) -> None:
    with pytest.raises(NotEnoughData, match="spent cannot be drawn"):
        drawing({"spent": record}, shares=HALVES, effects={}, units=10)


def test_metrics_that_list_other_units_and_do_not_say_which_are_refused() -> None:
    records = {"spent": UnitRecords(numbers=np.ones(10)), "visits": UnitRecords(numbers=np.ones(9))}
    with pytest.raises(DataError, match="spent, visits do not list the same units"):
        drawing(records, shares=HALVES, effects={}, units=10)


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
    assert planned_effect(spec.primary, UnitRecords(numbers=values))(values, RNG).mean() == pytest.approx(moved)


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
    found = planned_effect(spec.primary, UnitRecords(numbers=values))(values, RNG)
    assert found.mean() == pytest.approx(moved, abs=0.003)
    assert set(found) == {0.0, 1.0}


@pytest.mark.parametrize(("mde", "moved"), [({"relative": 0.10}, 0.55), ({"absolute": 0.1}, 0.6)])
def test_the_planned_effect_moves_a_ratio_by_the_mde(mde: dict[str, float], moved: float) -> None:
    spec = spec_of({"clicks": CLICKS | {"mde": mde}})
    pairs = np.array([[1.0, 4.0], [3.0, 4.0]])
    clicks, visits = planned_effect(spec.primary, UnitRecords(numbers=pairs))(pairs, RNG).T
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


@pytest.mark.parametrize(("mde", "moved"), [({"relative": -0.10}, 0.9 * 49.5), ({"absolute": -4.0}, 45.5)])
def test_the_planned_effect_moves_a_quantile_by_the_mde(mde: dict[str, float], moved: float) -> None:
    metric = LATENCY | {"role": "primary", "margin": None, "mde": mde, "why": "speed is the question"}
    spec = spec_of({"latency": metric})
    values = np.arange(100.0)
    rows = UnitRecords(rows=unit_rows_of(np.arange(100), values, units=100))
    assert np.quantile(planned_effect(spec.primary, rows)(values, RNG), 0.5) == pytest.approx(moved)


def numbers(drawn: DrawnUnits) -> Any:
    assert drawn.numbers is not None
    return drawn.numbers


def arms(metric: str, values: Any) -> Arms:
    places = np.arange(len(values[0]))
    drawn = (DrawnUnits(of=UnitRecords(numbers=each), places=places, numbers=each) for each in values)
    return {arm: {metric: each} for arm, each in zip(("old", "new"), drawn, strict=True)}
