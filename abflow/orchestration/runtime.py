"""What a task knows when it runs: its settings, its experiment, its day."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from abflow.errors import (
    AbflowError,
    ContractBroken,
    DataError,
    ExperimentStopped,
    LifecycleError,
    RegistryUnreachable,
)
from abflow.settings import Settings, load_settings

if TYPE_CHECKING:
    from abflow.lifecycle.bench import Bench

MLFLOW_CONNECTION = "abflow_mlflow"
FORM = ("experiment_day", "dry_run", "reason")

Result = TypeVar("Result")
log = logging.getLogger(__name__)


def bench_of(experiment: str, root: str) -> Bench:
    """The experiment, as its file describes it now."""
    from abflow.lifecycle.bench import open_bench

    return open_bench(experiment, task_settings(root))


def task_settings(root: str) -> Settings:
    """Settings of a task: the environment, then the folder above the DAGs, then Airflow's connection."""
    settings = project_settings(root)
    if settings.mlflow_tracking_uri:
        return settings
    address = _mlflow_connection()
    return settings.model_copy(update={"mlflow_tracking_uri": address}) if address else settings


def project_settings(root: str) -> Settings:
    """Settings without asking Airflow for anything, as a DAG file needs them when it is parsed."""
    return load_settings() if os.environ.get("ABFLOW_ROOT") else load_settings(root=root)


def day_of(context: Mapping[str, Any]) -> date:
    """The experiment day of a run: what the form says, else the start of the run's data interval.

    Raises:
        LifecycleError: Neither is there, or the form has a field that abflow does not know.
    """
    given = dict(getattr(context["dag_run"], "conf", None) or {})
    unknown = sorted(set(given) - set(FORM))
    if unknown:
        raise LifecycleError(f"the run was triggered with {', '.join(unknown)}; known are {', '.join(FORM)}")
    asked = context["params"].get("experiment_day")
    if asked:
        return date.fromisoformat(str(asked)[:10])
    start = context.get("data_interval_start")
    if start is None:
        raise LifecycleError(
            "this run has no data interval, so nothing says which day it is about; trigger it again with "
            "experiment_day, such as 2026-10-05"
        )
    return date(start.year, start.month, start.day)


def in_airflow(work: Callable[[], Result]) -> Result:
    """Do a step, and tell Airflow in its own words how it ended.

    What time may mend (MLflow is down, a log has not arrived) is retried; a gate, a broken contract or missing
    evidence fails at once, with the reason as the last line of the log.
    """
    try:
        return work()
    except ExperimentStopped as stopped:
        raise AirflowSkipException(str(stopped)) from None
    except ContractBroken as broken:
        raise AirflowFailException(str(broken)) from None
    except (RegistryUnreachable, DataError) as error:
        raise AirflowException(str(error)) from None
    except AbflowError as error:
        raise AirflowFailException(str(error)) from None


def _mlflow_connection() -> str | None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(MLFLOW_CONNECTION)
    except AirflowNotFoundException:
        return None
    scheme = connection.schema or "http"
    port = f":{connection.port}" if connection.port else ""
    return f"{scheme}://{connection.host}{port}"
