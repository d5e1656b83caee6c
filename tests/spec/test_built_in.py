"""The guardrail that comes with latency."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from abflow.spec.built_in import is_built_in
from abflow.spec.experiment import ExperimentSpec
from tests.analysis.experiments import BOUGHT, spec_of

LATENCY: dict[str, Any] = {"role": "secondary", "kind": "quantile", "value": "latency_ms", "q": 0.95}
WAITED: dict[str, Any] = {"role": "secondary", "kind": "mean", "event": "exposures", "value": "latency_ms"}
OWN: dict[str, Any] = {
    "role": "guardrail",
    "kind": "ratio",
    "numerator": "failed_exposures",
    "denominator": "exposures",
    "direction": "decrease",
    "margin": {"absolute": 0.01},
}


@pytest.mark.parametrize("metric", [LATENCY, WAITED])
def test_a_metric_of_latency_brings_a_guardrail_on_failed_calls(metric: dict[str, Any]) -> None:
    spec = spec_of({"bought": BOUGHT, "latency": metric})
    assert list(spec.metrics) == ["bought", "latency", "error_rate"]
    found = spec.metrics["error_rate"]
    assert is_built_in(found)
    told = found.model_dump(mode="json", include={*OWN})
    assert told == OWN | {"margin": {"relative": None, "absolute": 0.005}}


@pytest.mark.parametrize(
    "metric",
    [
        LATENCY | {"value": "tokens"},
        LATENCY | {"source": "outcomes", "event": "answer"},
        WAITED | {"event": "answer"},
        {"role": "secondary", "kind": "count", "event": "exposures"},
    ],
)
def test_other_metrics_bring_none(metric: dict[str, Any]) -> None:
    assert list(spec_of({"bought": BOUGHT, "other": metric}).metrics) == ["bought", "other"]


def test_a_metric_of_that_name_takes_its_place() -> None:
    spec = spec_of({"bought": BOUGHT, "error_rate": OWN, "latency": LATENCY})
    assert list(spec.metrics) == ["bought", "error_rate", "latency"]
    assert not is_built_in(spec.metrics["error_rate"])
    margin = spec.metrics["error_rate"].margin
    assert margin is not None
    assert margin.absolute == 0.01


def test_it_is_part_of_the_frozen_plan() -> None:
    spec = spec_of({"bought": BOUGHT, "latency": LATENCY})
    frozen = json.loads(json.dumps(spec.model_dump(mode="json", by_alias=True)))
    assert "error_rate" in frozen["metrics"]
    again = ExperimentSpec.model_validate(frozen)
    assert (again, again.sha256) == (spec, spec.sha256)
    assert is_built_in(again.metrics["error_rate"])
    assert spec.sha256 != spec_of({"bought": BOUGHT, "latency": LATENCY, "error_rate": OWN}).sha256


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (LATENCY | {"source": "outcomes"}, "event: is missing; a quantile of outcomes"),
        (LATENCY | {"event": "answer"}, "event: 'answer' is an outcome: set `source: outcomes`"),
        (LATENCY | {"source": "outcomes", "event": "exposures"}, "event: 'exposures' is no outcome"),
        (WAITED | {"event": "failed_exposures"}, "have no values, because the calls failed"),
    ],
)
def test_rows_that_hold_no_such_number_are_refused(metric: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec_of({"bought": BOUGHT, "odd": metric})
