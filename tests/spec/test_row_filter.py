"""Filters as the file has them: one form for all ways of writing one, and what is refused by its line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from abflow.errors import SpecError
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import parse_experiment
from abflow.spec.metrics import CountMetric, filter_of
from abflow.spec.row_filter import canonical
from tests.spec.files import GOOD, edited

TICKETS = "kind: count, event: ticket"


def loaded(metric: str) -> ExperimentSpec:
    return parse_experiment(edited(TICKETS, metric), source="churn_v3.yaml")


def filtered(where: str) -> CountMetric:
    metric = loaded(f"{TICKETS}, where: {where}").metrics["tickets"]
    assert isinstance(metric, CountMetric)
    return metric


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{surface: search}", "{surface: [search]}"),
        ("{surface: [home, search]}", "{surface: [search, home, search]}"),
        ("{a: 1, b: 2}", "{b: 2, a: 1}"),
        ("{level: 5}", "{level: 5.0}"),
        ("{member: yes}", "{member: true}"),
    ],
)
def test_one_filter_is_one_plan_however_it_is_written(one: str, other: str) -> None:
    assert loaded(f"{TICKETS}, where: {one}").sha256 == loaded(f"{TICKETS}, where: {other}").sha256


@pytest.mark.parametrize("other", ["{level: '5'}", "{level: true}", "{level: 6}", "{stage: 5}", "{level: [5, 6]}"])
def test_another_filter_is_another_plan(other: str) -> None:
    assert filtered(other) is not None
    one, another = (loaded(f"{TICKETS}, where: {where}") for where in ("{level: 5}", other))
    assert one.sha256 != another.sha256
    texts = {canonical(metric.where) for metric in (filtered("{level: 5}"), filtered(other))}
    assert len(texts) == 2


def test_a_plan_without_a_filter_is_the_same_plan_as_before_there_were_any() -> None:
    assert "where" not in parse_experiment(GOOD).canonical_json()


def test_a_frozen_plan_with_filters_can_be_read_again() -> None:
    sides = "kind: ratio, numerator: a, denominator: b, numerator_where: {x: [1, y, true, 1.5]}"
    spec = loaded(sides)
    again = ExperimentSpec.model_validate(json.loads(json.dumps(spec.model_dump(mode="json", by_alias=True))))
    assert again.sha256 == spec.sha256


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (f"{TICKETS}, where: {{surface: search}}", "where surface = search"),
        (f"{TICKETS}, where: {{b: [y, x], a: [true, 5.0]}}", "where a = 5 or true and b = x or y"),
        (TICKETS, ""),
        (
            "kind: ratio, numerator: a, denominator: b, denominator_where: {x: 1}, numerator_where: {y: 2.5}",
            "numerator where y = 2.5, denominator where x = 1",
        ),
        ("kind: ratio, numerator: a, denominator: b, denominator_where: {x: 1}", "denominator where x = 1"),
    ],
)
def test_a_reader_is_told_which_rows(metric: str, words: str) -> None:
    assert filter_of(loaded(metric).metrics["tickets"]) == words


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        ("{}", "where: is no filter"),
        ("null", "where: is no filter"),
        ("", "where: is no filter"),
        ("[search]", "where: is no filter"),
        ("search", "where: is no filter"),
        ("{surface: []}", "where.surface: has no value"),
        ("{surface: null}", "where.surface: is empty, and a missing value never matches"),
        ("{surface: ''}", "where.surface: is empty, and a missing value never matches"),
        ("{surface: [search, null]}", "where.surface: is empty"),
        ("{surface: {is: search}}", "where.surface: {'is': 'search'} is nested"),
        ("{surface: [[search]]}", "where.surface: ['search'] is nested"),
        ("{released: 2026-03-01}", "where.released: 2026-03-01 is neither text nor a number"),
        ("{level: .inf}", "where.level: inf is neither text nor a number"),
        ("{timestamp: x}", "where.timestamp: cannot be filtered by: it says when"),
        ("{event_type: x}", "where.event_type: cannot be filtered by: it is told by the event"),
        ("{surface: x, variant: a}", "where.variant: cannot be filtered by: it differs between the arms"),
        ("{user_id: x}", "where.user_id: cannot be filtered by: it names units"),
    ],
)
def test_what_is_no_filter_is_refused_in_its_line(where: str, wrong: str) -> None:
    with pytest.raises(SpecError) as caught:
        filtered(where)
    assert str(caught.value).startswith(f"churn_v3.yaml:21: metrics.tickets.{wrong}")


@pytest.mark.parametrize(
    ("sides", "wrong"),
    [
        ("where: {x: 1}", "where: does not say which side it is for: write numerator_where"),
        ("numerator_where: {}", "numerator_where: is no filter"),
        ("denominator_where: {variant: a}", "denominator_where.variant: cannot be filtered by"),
    ],
)
def test_a_ratio_has_a_filter_on_each_side(sides: str, wrong: str) -> None:
    with pytest.raises(SpecError) as caught:
        loaded(f"kind: ratio, numerator: a, denominator: b, {sides}")
    assert str(caught.value).startswith(f"churn_v3.yaml:21: metrics.tickets.{wrong}")


def test_a_filter_over_several_lines_is_refused_in_the_line_of_its_column() -> None:
    block = "tickets:\n    role: secondary\n    kind: count\n    event: ticket\n    where:\n      a: x\n      b: []\n"
    text = edited("tickets: {role: secondary, kind: count, event: ticket, direction: decrease}\n", block)
    with pytest.raises(SpecError, match=r"churn_v3\.yaml:27: metrics\.tickets\.where\.b: has no value"):
        parse_experiment(text, source="churn_v3.yaml")


@pytest.mark.parametrize("where", [{"a": "x"}, {"a": [1, "x", True]}])
def test_the_schema_of_editors_knows_filters(where: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = CountMetric.model_json_schema()
    metric = {"role": "secondary", "kind": "count", "event": "click"}
    jsonschema.validate(metric | {"where": where}, schema)
    refused: list[Any] = [{}, {"a": []}, {"a": None}, {"a": {"b": 1}}, {"variant": "a"}, None]
    for wrong in refused:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(metric | {"where": wrong}, schema)
