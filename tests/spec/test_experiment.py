from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from abflow.spec.experiment import json_schema
from abflow.spec.loading import parse_experiment
from tests.spec.files import GOOD, edited

SCHEMA_FILE = Path(__file__).parents[2] / "docs" / "experiment.schema.json"
CHURN = parse_experiment(GOOD)


def as_json(text: str) -> Any:
    """What an editor sees: YAML without Python's dates."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def test_the_hash_does_not_depend_on_how_the_file_is_written() -> None:
    raw = as_json(GOOD)
    variants = raw.pop("variants")
    backwards = dict(reversed(raw.items())) | {"metrics": dict(reversed(raw["metrics"].items()))}
    again = yaml.safe_dump(backwards | {"variants": variants}, sort_keys=False)
    assert again.splitlines()[0] != GOOD.splitlines()[0]
    assert parse_experiment(again).sha256 == CHURN.sha256


def test_the_hash_depends_on_the_order_of_the_variants() -> None:
    control, treatment = GOOD.splitlines(keepends=True)[5:7]
    swapped = parse_experiment(GOOD.replace(control + treatment, treatment + control) + "control: control\n")
    same_control = parse_experiment(GOOD + "control: control\n")
    assert swapped.control_name == same_control.control_name
    assert swapped.sha256 != same_control.sha256


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("at least 2 %", "at least 3 %"),
        ("mde: {relative: 0.02}", "mde: {absolute: 0.02}"),
        ("days: 21}", "days: 22}"),
        ("alpha: 0.05", "alpha: 0.01"),
        ("continue: this is all the traffic there is", "continue: another reason"),
    ],
)
def test_any_change_of_the_plan_changes_the_hash(old: str, new: str) -> None:
    assert parse_experiment(edited(old, new)).sha256 != CHURN.sha256


def test_the_published_schema_is_the_one_of_this_version() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json_schema(), "run `make schema`"


def test_the_published_schema_accepts_good_files_and_refuses_bad_ones() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    examples = SCHEMA_FILE.parents[1] / "dags" / "experiments"
    for good in (GOOD, *(file.read_text(encoding="utf-8") for file in examples.glob("*.yaml"))):
        assert not list(validator.iter_errors(as_json(good)))
    for old, new in (
        ("owner: growth-ml\n", ""),
        ("owner: growth-ml", "onwer: growth-ml"),
        ("kind: count", "kind: counts"),
        ("alpha: 0.05", "alpha: 0.7"),
        ("experiment: churn_v3", "experiment: ../x"),
        ("shadow: {start: 2026-10-01, days: 3}", "shadow: {}"),
    ):
        assert list(validator.iter_errors(as_json(edited(old, new)))), new
