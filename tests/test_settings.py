from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from abflow.errors import SettingsError
from abflow.logs.resources import Resources
from abflow.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*(f"ABFLOW_{field.upper()}" for field in Settings.model_fields), "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_any_setting_everything_lies_below_the_current_folder(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.root == tmp_path.resolve()
    assert settings.experiment_file("churn_v3") == tmp_path / "dags/experiments/churn_v3.yaml"
    assert settings.store_folder == tmp_path / "data/store"
    assert settings.ledger_file == tmp_path / "data/ledger.jsonl"
    assert (settings.mlflow_tracking_uri, settings.mlflow_experiment) == (None, "abflow")
    assert (settings.threads, settings.memory_limit) == (None, None)


def test_every_field_is_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {
        "ROOT": str(tmp_path / "project"),
        "EXPERIMENTS": "plans",
        "STORE": "/var/abflow/store",
        "LEDGER": "chain.jsonl",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "MLFLOW_EXPERIMENT": "growth",
        "THREADS": "3",
        "MEMORY_LIMIT": "4GB",
        "BUILDS_AT_ONCE": "8",
        "SPILL": "scratch",
        "SPARK_MASTER": "spark://host:7077",
    }
    assert {name.lower() for name in given} == set(Settings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(f"ABFLOW_{name}", value)
    settings = load_settings()
    assert settings.experiments_folder == tmp_path / "project" / "plans"
    assert settings.store_folder == Path("/var/abflow/store")
    assert settings.ledger_file == tmp_path / "project" / "chain.jsonl"
    assert settings.mlflow_tracking_uri == "http://mlflow:5000"
    assert settings.mlflow_experiment == "growth"
    spill = tmp_path / "project" / "scratch"
    assert settings.builds_at_once == 8
    assert settings.resources == Resources(
        threads=3, memory_limit="4GB", spill_folder=spill, spark_master="spark://host:7077"
    )


def test_mlflow_is_also_found_by_its_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://everybody:5000")
    assert load_settings().mlflow_tracking_uri == "http://everybody:5000"
    monkeypatch.setenv("ABFLOW_MLFLOW_TRACKING_URI", "http://ours:5000")
    assert load_settings().mlflow_tracking_uri == "http://ours:5000"
    assert load_settings(mlflow_tracking_uri="http://connection:5000").mlflow_tracking_uri == "http://connection:5000"


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABFLOW_THREADS", "3")
    assert load_settings(threads=2).threads == 2


def test_a_relative_root_is_made_absolute_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load_settings(root="project")
    monkeypatch.chdir("/")
    assert settings.root == tmp_path.resolve() / "project"


@pytest.mark.parametrize("value", ["many", "0", "-1", ""])
def test_a_variable_that_makes_no_sense_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABFLOW_THREADS", value)
    with pytest.raises(SettingsError, match=rf"\(ABFLOW_\.\.\.\) cannot be understood: threads='{value}'"):
        load_settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().threads = 3  # type: ignore[misc]
