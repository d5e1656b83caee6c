from __future__ import annotations

from typing import Any

import pytest

from abflow.errors import SpecError
from abflow.simulate.levers import latency_ratios, levers_of, value_columns
from tests.simulate.worlds import CONVERTED, REVENUE, spec_of, truth_of

P95 = {"role": "secondary", "kind": "quantile", "value": "latency_ms", "q": 0.95}
CTR = {"role": "secondary", "kind": "ratio", "numerator": "click", "denominator": "exposures"}


def test_each_kind_of_metric_pulls_its_own_lever() -> None:
    metrics = {"converted": CONVERTED, "revenue": REVENUE, "ctr": CTR, "p95": P95}
    effects = {
        "converted": {"treatment": 0.1},
        "revenue": {"treatment": -0.2},
        "ctr": {"treatment": 0.3},
        "p95": {"treatment": 0.5},
    }
    spec, truth = spec_of(metrics=metrics), truth_of(effects=effects, latency_ms={"ratio": {"treatment": 2}})
    levers = levers_of(spec, truth)
    assert levers["purchase"].share == pytest.approx([0, 0.1])
    assert levers["purchase"].rate == pytest.approx([0, 0])
    assert levers["purchase"].value == pytest.approx([0, -0.2])
    assert levers["click"].rate == pytest.approx([0, 0.3])
    assert latency_ratios(spec, truth) == pytest.approx([1, 3])


def test_effects_of_two_metrics_on_one_lever_multiply() -> None:
    spec = spec_of(metrics={"converted": CONVERTED, "late": {**CONVERTED, "role": "secondary"}})
    effects = {"converted": {"treatment": 0.1}, "late": {"treatment": 0.2}}
    assert levers_of(spec, truth_of(effects=effects))["purchase"].share == pytest.approx([0, 0.32])


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"effects": {"ctr": {"treatment": 0.1}}}, "effects names 'ctr', but this experiment has converted"),
        ({"effects": {"revenue": {"control": 0.1}}}, "effects.revenue names 'control'"),
        ({"events": {"click": {}}}, "events names 'click'"),
        ({"latency_ms": {"ratio": {"control": 2}}}, "latency_ms.ratio names 'control'"),
        ({"error_ratio": {"other": 2}}, "error_ratio names 'other'"),
        ({"error_rate": 0.5, "error_ratio": {"treatment": 3}}, "more than every call"),
        (
            {"events": {"purchase": {"share": 0.95}}, "effects": {"converted": {"treatment": 0.1}}},
            "more than there are",
        ),
        ({"events": {"purchase": {"value": None}}}, "value is null, but metrics.revenue reads it"),
    ],
)
def test_a_truth_that_does_not_fit_the_experiment_is_refused(rates: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        levers_of(spec_of(), truth_of(**rates))


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ({**P95, "value": "score"}, "draws latency_ms only"),
        ({**REVENUE, "role": "secondary", "event": "exposures"}, "adds up exposures per unit"),
        ({**REVENUE, "role": "secondary", "value": "item_id"}, "holds no number"),
        ({**REVENUE, "role": "secondary", "where": {"surface": "search"}}, "reads rows where surface = search"),
    ],
)
def test_a_metric_that_cannot_be_drawn_is_refused(metric: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        levers_of(spec_of(metrics={"converted": CONVERTED, "odd": metric}), truth_of())


@pytest.mark.parametrize(
    ("numerator", "message"),
    [("exposures", "how often exposures occur.*remove it"), ("failed_exposures", "say in error_ratio how often")],
)
def test_an_effect_on_how_often_units_are_exposed_is_refused(numerator: str, message: str) -> None:
    spec = spec_of(metrics={"converted": CONVERTED, "odd": {**CTR, "numerator": numerator, "denominator": "click"}})
    with pytest.raises(SpecError, match=message):
        levers_of(spec, truth_of(effects={"odd": {"treatment": 0.1}}))


def test_a_value_column_of_another_name_stands_beside_the_usual_one() -> None:
    spec = spec_of(metrics={"converted": CONVERTED, "paid": {**REVENUE, "value": "amount"}})
    assert value_columns(spec) == ("value", "amount")
