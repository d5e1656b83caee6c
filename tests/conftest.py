"""What several test folders share: a prepared MLflow database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a test also pays for importing scipy, and shared machines pause.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(autouse=True)
def _away_from_the_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The developer's own settings must not reach the tests, nor MLflow's artifacts the developer's folder."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("ABFLOW_") or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def registry_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with model `churn`: version 1 is champion, version 2 challenger; tests copy it."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  only the tests that ask for a registry wait for it

    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("churn")
    for _ in range(3):
        client.create_model_version("churn", source=str(folder / "model"))
    client.set_registered_model_alias("churn", "champion", "1")
    client.set_registered_model_alias("churn", "challenger", "2")
    return folder / "mlflow.db"
