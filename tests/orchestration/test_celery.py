"""Two Celery workers share the partitions of an experiment, and the verdict is that of one machine."""

from __future__ import annotations

import importlib.util
import re
from datetime import date
from pathlib import Path

import mlflow
import pytest

from abflow.analysis.verdict import Verdict
from abflow.lifecycle.bench import open_bench
from abflow.lifecycle.steps import run_through
from abflow.local.airflow_api import AirflowApi
from abflow.local.services import LocalPlatform
from abflow.settings import load_settings
from tests.orchestration.celery_platform import on_celery, postgres, program, redis, workers
from tests.orchestration.experiments import write_experiment
from tests.orchestration.stories import USER, Train, platform_of, project_in, write_logs

MISSING = [name for name in ("redis-server", "initdb", "postgres") if not program(name)]
MISSING += [
    name for name in ("airflow.providers.celery", "asyncpg", "psycopg2", "redis") if not importlib.util.find_spec(name)
]
NAME = "spread"
WORKERS = ("one", "two")
DAYS = 3

pytestmark = [
    pytest.mark.platform,
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"Celery needs {', '.join(MISSING)}"),
]


def test_two_workers_build_the_partitions_of_an_experiment(tmp_path: Path) -> None:
    root = project_in(tmp_path / "train")
    write_experiment(
        root / "dags" / "experiments",
        NAME,
        model=None,
        variants={"control": {"weight": 1}, "treatment": {"weight": 1}},
        phases={
            "shadow": {"skip": "served before"},
            "aa": {"skip": "had one last week"},
            "test": {"start": "2026-09-01", "enroll_days": DAYS - 1, "days": DAYS, "why": "short, for a test"},
        },
        sizing={"skip": "sized by hand"},
        promotion=None,
    )
    with postgres() as database, redis() as broker:
        spec = on_celery(platform_of(root), database=database, broker=broker)
        with LocalPlatform.start(spec) as platform, workers(platform, WORKERS) as started:
            platform.wait_until_ready(timeout=300)
            with AirflowApi.sign_in(platform.airflow_url, USER, platform.passwords[USER]) as airflow:
                client = mlflow.MlflowClient(platform.mlflow_url, platform.mlflow_url)
                train = Train(root=root, platform=platform, airflow=airflow, mlflow=client)
                bench = train.bench(NAME)
                write_logs(root, bench)
                airflow.wait_for_dag(f"abflow__{NAME}", timeout=300)
                airflow.unpause(f"abflow__{NAME}")
                train.wait_for_days(NAME)
                days = [date(2026, 9, number) for number in range(1, DAYS + 1)]
                built = train.built_on(NAME, days[0])
                took = {name: _tasks_in(server.log) for name, server in started.items()}
    assert built == [f"{day} {log}" for day in days for log in ("exposures", "outcomes")]
    assert all("build_partitions" in tasks for tasks in took.values()), took
    assert sum(tasks.count("build_partitions") for tasks in took.values()) == 2 * DAYS

    alone = open_bench(NAME, load_settings(root=root, store=tmp_path / "alone", ledger=tmp_path / "alone.jsonl"))
    list(run_through(alone))
    assert _partitions_in(bench.store.folder) == _partitions_in(alone.store.folder) != {}
    (verdict, expected) = (each.store.get("verdict", Verdict, step="") for each in (bench, alone))
    assert (verdict.decision, verdict.rule, verdict.sentence) == (expected.decision, expected.rule, expected.sentence)


def _tasks_in(log: Path) -> list[str]:
    """The tasks that a worker did, by its own log."""
    return re.findall(r"TaskInstanceDTO.*?task_id='(\w+)'", log.read_text())


def _partitions_in(store: Path) -> dict[str, bytes]:
    return {str(file.relative_to(store)): file.read_bytes() for file in store.glob("unit_day/*/*/*")}
