"""Metrics that are only looked at are no part of the plan."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from abflow.spec.built_in import is_built_in
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role
from tests.analysis.experiments import BOUGHT, ERRORS, spec_of

LOOKED_AT: tuple[dict[str, Any], ...] = (
    {"role": "exploratory", "kind": "proportion", "event": "return", "window_days": 60},
    {"role": "exploratory", "kind": "count", "event": "visit", "where": {"surface": "search"}},
    {"role": "exploratory", "kind": "mean", "event": "purchase", "value": "value", "cap": "p99"},
    {"role": "exploratory", "kind": "ratio", "numerator": "click", "denominator": "exposures"},
    {"role": "exploratory", "kind": "quantile", "value": "latency_ms", "q": 0.95, "direction": "decrease"},
)
PLAN = {"bought": BOUGHT, "errors": ERRORS}


@pytest.mark.parametrize("metric", LOOKED_AT)
def test_the_plan_its_hash_and_its_days_are_the_same_with_and_without_one(metric: dict[str, Any]) -> None:
    plain, exploring = spec_of(PLAN), spec_of(PLAN | {"more": metric})
    assert exploring.plan == plain.plan == plain
    assert exploring.sha256 == plain.sha256 == plain.file_sha256
    assert exploring.file_sha256 != plain.file_sha256
    assert (exploring.enroll_days, calendar_of(exploring)) == (plain.enroll_days, calendar_of(plain))
    assert exploring.extended.plan == plain.extended


def test_without_any_the_plan_is_the_experiment() -> None:
    spec = spec_of(PLAN | {"clicks": {"role": "secondary", "kind": "count", "event": "click"}})
    assert spec.plan is spec


@pytest.mark.parametrize(
    ("promise", "value"), [("mde", {"absolute": 0.1}), ("practical", {"relative": 0.1}), ("margin", {"relative": -0.1})]
)
def test_one_that_promises_something_is_refused(promise: str, value: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=f"{promise}: is a promise, and an exploratory metric makes none"):
        spec_of(PLAN | {"more": LOOKED_AT[0] | {promise: value}})


def test_there_is_no_experiment_that_only_explores() -> None:
    with pytest.raises(ValidationError, match="exactly one metric must have role: primary, found none"):
        spec_of({"more": LOOKED_AT[0]})


def test_failed_calls_stand_beside_a_latency_in_its_own_role() -> None:
    """A latency that is looked at may not put a guardrail into a plan that is frozen, nor take one out of it."""
    watched = LOOKED_AT[-1] | {"role": "secondary"}
    explored = spec_of(PLAN | {"slow": LOOKED_AT[-1]}).metrics["error_rate"]
    both = spec_of(PLAN | {"slow": watched, "slower": LOOKED_AT[-1] | {"q": 0.99}})
    assert explored.role is Role.EXPLORATORY
    assert explored.margin is None
    assert is_built_in(explored)
    assert both.metrics["error_rate"].role is Role.GUARDRAIL
    assert both.sha256 == spec_of(PLAN | {"slow": watched}).sha256
    read_again = ExperimentSpec.model_validate(both.plan.model_dump(mode="json", by_alias=True))
    assert read_again == both.plan


def test_a_guardrail_of_the_plan_cannot_be_made_something_to_look_at() -> None:
    """It would be the same plan without its guardrail, so the hash is another."""
    weaker = {name: value for name, value in ERRORS.items() if name != "margin"} | {"role": "exploratory"}
    assert spec_of({"bought": BOUGHT, "errors": weaker}).sha256 != spec_of(PLAN).sha256


def test_nothing_that_is_explored_takes_the_place_of_the_guardrail_beside_a_latency() -> None:
    """Taken out again it would change the plan."""
    latency = {"role": "secondary", "kind": "quantile", "value": "latency_ms", "q": 0.95, "direction": "decrease"}
    own = {"role": "exploratory", "kind": "ratio", "numerator": "failed_exposures", "denominator": "exposures"}
    with pytest.raises(ValidationError, match=r"stands beside a latency of the plan .* cannot be exploratory"):
        spec_of(PLAN | {"latency": latency, "error_rate": own})
    explored = spec_of(PLAN | {"latency": latency | {"role": "exploratory"}, "error_rate": own})
    assert not is_built_in(explored.metrics["error_rate"])
