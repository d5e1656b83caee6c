"""A real Airflow and a real MLflow, from the first start to the last process."""

from __future__ import annotations

import dataclasses
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import mlflow
import psutil
import pytest

from abflow.errors import AbflowError, SettingsError
from abflow.local.airflow_api import AirflowApi
from abflow.local.airflow_records import DagRun
from abflow.local.environment import PlatformSpec
from abflow.local.models import make_customers, register_demo_models
from abflow.local.pid_files import is_noted
from abflow.local.ports import HOST
from abflow.local.services import LocalPlatform

pytestmark = pytest.mark.platform

TRIAL_DAG = """
from datetime import UTC, datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, task

with DAG(
    "trial",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    end_date=datetime(2026, 1, 3, tzinfo=UTC),
    catchup=True,
    tags=["abflow"],
):

    @task
    def greet() -> None:
        import os

        print("hello", os.environ["ABFLOW_ROOT"], os.environ["MLFLOW_TRACKING_URI"])

    @task
    def follow(**context) -> None:
        if context["params"].get("break"):
            raise ValueError("broken on purpose")

    greet() >> follow()

with DAG("never_unpaused", schedule=None):
    EmptyOperator(task_id="wait")

with DAG("question", schedule=None):
    ApprovalOperator(task_id="approve", subject="Go on?", params={"reason": ""})
"""


def spec_in(folder: Path) -> PlatformSpec:
    """A platform on free ports, with all it needs in one folder."""
    for name in ("dags", "plugins"):
        (folder / name).mkdir(exist_ok=True)
    return PlatformSpec(
        home=folder / "platform",
        dags_folder=folder / "dags",
        plugins_folder=folder / "plugins",
        environment={"ABFLOW_ROOT": "the-root-of-the-project"},
        airflow_port=0,
        mlflow_port=0,
        parallelism=2,
        parse_every=3,
    )


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    spec = spec_in(tmp_path_factory.mktemp("local"))
    (spec.dags_folder / "trial.py").write_text(TRIAL_DAG)
    (spec.dags_folder / "broken.py").write_text("from airflow.sdk import DAG\n\nraise RuntimeError('no such luck')\n")
    with LocalPlatform.start(spec) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="module")
def api(platform: LocalPlatform) -> Iterator[AirflowApi]:
    with AirflowApi.sign_in(platform.airflow_url, "admin", platform.passwords["admin"]) as signed_in:
        yield signed_in


def test_both_servers_answer_where_they_say(platform: LocalPlatform) -> None:
    assert httpx.get(f"{platform.mlflow_url}/health", trust_env=False).text == "OK"
    health = httpx.get(f"{platform.airflow_url}/api/v2/monitor/health", trust_env=False).json()
    parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    assert [health[part]["status"] for part in parts] == ["healthy"] * 4


def test_everything_is_kept_in_the_home_folder(platform: LocalPlatform) -> None:
    home = platform.spec.home
    assert {each.name for each in home.iterdir()} == {"airflow", "mlflow", "logs", "pids"}
    assert (home / "airflow" / "airflow.cfg").read_text() == ""
    assert all(is_noted(home, server.record) for server in platform.servers)


def test_only_the_owner_can_read_the_passwords(platform: LocalPlatform) -> None:
    assert stat.S_IMODE(platform.spec.passwords_file.stat().st_mode) == 0o600
    assert platform.passwords["admin"] not in repr(platform)


def test_a_wrong_password_is_refused(platform: LocalPlatform) -> None:
    with pytest.raises(SettingsError, match="'admin' with this password"):
        AirflowApi.sign_in(platform.airflow_url, "admin", "guess")


def test_an_airflow_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind((HOST, 0))
        url = f"http://{HOST}:{unused.getsockname()[1]}"
        with pytest.raises(AbflowError, match=f"Airflow at {url} does not answer"):
            AirflowApi.sign_in(url, "admin", "any")


def test_a_dag_runs_its_past_days_and_is_driven_by_the_api(api: AirflowApi) -> None:
    dag = api.wait_for_dag("trial")
    assert dag.paused
    assert dag.tags == ("abflow",)
    assert api.dag("trial") == dag

    api.unpause("trial")
    wait_until(lambda: api.progress("trial") == {"success": 3})
    runs = api.runs("trial")
    assert [run.data_interval_start for run in runs] == [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    log = api.task_log("trial", runs[0].run_id, "greet")
    assert "hello the-root-of-the-project http://127.0.0.1:" in log

    assert api.clear("trial", runs[1].run_id, ["greet"]) == ("follow", "greet")
    finished(api, "trial", runs[1].run_id)
    assert [(each.task_id, each.state, each.try_number) for each in api.task_instances("trial", runs[1].run_id)] == [
        ("follow", "success", 2),
        ("greet", "success", 2),
    ]


def test_a_failed_task_shows_its_error_and_can_be_marked(api: AirflowApi) -> None:
    api.wait_for_dag("trial")
    api.unpause("trial")
    run_id = api.trigger("trial", conf={"break": True}).run_id
    assert finished(api, "trial", run_id).state == "failed"
    assert "ValueError: broken on purpose" in api.task_log("trial", run_id, "follow")

    api.set_task_state("trial", run_id, "follow", "success")
    assert {each.task_id: each.state for each in api.task_instances("trial", run_id)}["follow"] == "success"


def test_a_run_for_a_given_date_has_it(api: AirflowApi) -> None:
    api.wait_for_dag("trial")
    date = datetime(2026, 3, 1, tzinfo=UTC)
    assert api.trigger("trial", logical_date=date).logical_date == date


def test_an_approval_is_answered(api: AirflowApi) -> None:
    api.wait_for_dag("question")
    api.unpause("question")
    run_id = api.trigger("question").run_id
    wait_until(lambda: [each.state for each in api.task_instances("question", run_id)] == ["awaiting_input"])
    api.answer_approval("question", run_id, "Approve", "looks good")
    assert finished(api, "question", run_id).state == "success"


def test_the_scheduler_outlives_a_lock_of_airflows_database(platform: LocalPlatform, api: AirflowApi) -> None:
    api.wait_for_dag("trial")
    api.unpause("trial")
    run_id = api.trigger("trial").run_id
    assert finished(api, "trial", run_id).state == "success"
    database = platform.spec.airflow_home / "airflow.db"
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as holder:
        state = None
        while state != ("queued",):  # unless the scheduler came in between
            if holder.in_transaction:
                holder.execute("ROLLBACK")
            holder.execute("UPDATE dag_run SET state = 'queued' WHERE run_id = ?", [run_id])
            holder.execute("BEGIN IMMEDIATE")
            state = holder.execute("SELECT state FROM dag_run WHERE run_id = ?", [run_id]).fetchone()
        # The scheduler starts this run now, and writes it down where it repeats nothing that failed.
        time.sleep(12)
        holder.execute("ROLLBACK")
    assert finished(api, "trial", run_id).state == "success"
    platform.refuse_dead()


def test_a_file_that_cannot_be_read_is_reported(api: AirflowApi) -> None:
    wait_until(lambda: bool(api.import_errors()))
    (failure,) = api.import_errors()
    assert failure.filename.endswith("broken.py")
    assert "no such luck" in failure.text
    with pytest.raises(AbflowError, match=r"no DAG 'missing' after 0 s(.|\n)*no such luck"):
        api.wait_for_dag("missing", timeout=0)


def test_the_servers_own_words_are_in_the_error(api: AirflowApi) -> None:
    with pytest.raises(AbflowError, match=r"404.*`missing` was not found"):
        api.dag("missing")


def test_long_lists_are_read_to_their_end(api: AirflowApi) -> None:
    api.wait_for_dag("never_unpaused")
    minutes = [datetime(2026, 1, 1, n // 60, n % 60, tzinfo=UTC) for n in range(105)]
    made = {api.trigger("never_unpaused", logical_date=minute).run_id for minute in minutes}
    assert {run.run_id for run in api.runs("never_unpaused")} == made
    assert api.progress("never_unpaused") == {"queued": 105}


def test_models_load_by_their_aliases(platform: LocalPlatform) -> None:
    before = mlflow.get_tracking_uri()
    champion, challenger = register_demo_models(platform.mlflow_url, "churn")
    assert (champion, challenger) == (1, 2)
    assert mlflow.get_tracking_uri() == before

    mlflow.set_tracking_uri(platform.mlflow_url)
    try:
        customers = make_customers().head(5)
        for alias in ("champion", "challenger"):
            probabilities = mlflow.pyfunc.load_model(f"models:/churn@{alias}").predict(customers)
            assert probabilities.shape == (5, 2)
    finally:
        mlflow.set_tracking_uri(before)


def test_registering_again_only_puts_the_aliases_back(platform: LocalPlatform) -> None:
    first = register_demo_models(platform.mlflow_url, "churn")
    client = mlflow.MlflowClient(platform.mlflow_url)
    client.set_registered_model_alias("churn", "champion", str(first[1]))
    client.set_registered_model_alias("churn", "previous_champion", str(first[0]))
    assert register_demo_models(platform.mlflow_url, "churn") == first
    aliases = client.get_registered_model("churn").aliases
    assert {alias: int(number) for alias, number in aliases.items()} == dict(
        zip(("champion", "challenger"), first, strict=True)
    )


def test_a_database_that_cannot_be_made_is_shown_with_its_log(tmp_path: Path) -> None:
    wrong = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "nonsense://nowhere"}
    spec = dataclasses.replace(spec_in(tmp_path), environment=wrong)
    with pytest.raises(AbflowError, match=r"migration ended .*migration\.log ends with:\n(.|\n)*nonsense"):
        LocalPlatform.start(spec)
    assert list((spec.home / "pids").iterdir()) == []


# From here on the platform of this file is ended and started again.


def test_another_program_ends_the_platform_and_whoever_watches_it_is_told(platform: LocalPlatform) -> None:
    processes = all_processes(platform)
    assert len(processes) > len(platform.servers)
    assert len(started_over(platform.spec.airflow_home)) >= len(platform.servers)
    program = (
        "from pathlib import Path; from abflow.local.pid_files import stop_left_over; import sys; "
        "print(stop_left_over(Path(sys.argv[1])))"
    )
    with ThreadPoolExecutor() as pool:
        watching = pool.submit(platform.watch)
        command = (sys.executable, "-c", program, str(platform.spec.home))
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        watching.result(timeout=10)
    # Not an exact number: the DAG processor starts and ends a child for every parse.
    assert int(done.stdout) >= len(platform.servers)
    assert not any(is_alive(process) for process in processes)
    assert started_over(platform.spec.airflow_home) == []


def test_stopping_leaves_no_process(platform: LocalPlatform) -> None:
    with (
        socket.create_server((HOST, 0)) as somebody,
        LocalPlatform.start(dataclasses.replace(platform.spec, airflow_port=somebody.getsockname()[1])) as again,
    ):
        assert again.airflow_port not in (0, somebody.getsockname()[1])
        assert again.passwords == platform.passwords
        processes = [*all_processes(again), psutil.Process(again.keeper.process.pid)]
        assert len(processes) >= 6
    assert not any(is_alive(process) for process in processes)
    assert list((platform.spec.home / "pids").iterdir()) == []
    again.stop()


def test_a_server_that_cannot_start_is_shown_with_its_log(platform: LocalPlatform) -> None:
    wrong = {"PYTHONHOME": "/nowhere"}
    with LocalPlatform.start(dataclasses.replace(platform.spec, environment=wrong)) as broken:
        with pytest.raises(AbflowError, match=r"mlflow ended .*mlflow\.log ends with:\n(.|\n)*/nowhere"):
            broken.wait_until_ready()
        with pytest.raises(AbflowError, match="mlflow ended with exit code 1"):
            broken.refuse_dead()
        with pytest.raises(AbflowError, match="mlflow ended with exit code 1"):
            broken.watch()


def test_a_platform_that_is_not_ready_in_time_says_who_is_silent(platform: LocalPlatform) -> None:
    with (
        LocalPlatform.start(platform.spec) as slow,
        pytest.raises(AbflowError, match=r"after 0 s .* answer yet from mlflow, api-server; read the logs"),
    ):
        slow.wait_until_ready(timeout=0)


def all_processes(platform: LocalPlatform) -> list[psutil.Process]:
    """The servers and what they started, found without the code under test."""
    servers = [psutil.Process(server.record.pid) for server in platform.servers]
    return [*servers, *(child for server in servers for child in server.children(recursive=True))]


def started_over(airflow_home: Path) -> list[psutil.Process]:
    """Every process on this machine that was told of this Airflow home, whenever it was started."""
    found = []
    for process in psutil.process_iter():
        try:
            if is_alive(process) and process.environ().get("AIRFLOW_HOME") == str(airflow_home):
                found.append(process)
        except psutil.Error:  # it ended while we looked, or it is somebody else's
            continue
    return found


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def finished(api: AirflowApi, dag_id: str, run_id: str) -> DagRun:
    wait_until(lambda: api.run(dag_id, run_id).state in ("success", "failed"))
    return api.run(dag_id, run_id)


def wait_until(happened: Callable[[], bool], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)
