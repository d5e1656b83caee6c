"""`AirflowApi`: what the demo and the tests ask of a running Airflow, over its REST API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from abflow.errors import AbflowError, SettingsError
from abflow.local.airflow_records import Dag, DagRun, ImportFailure, TaskRun, log_line

# The server's own limit: asking for more gives this many.
PAGE = 100

# While tasks run, SQLite refuses a request now and then, after five seconds. What was refused was rolled
# back (most often it is the note of who asks for what, made before anything is done), so it can be repeated.
LOCKED = "database is locked"
TRIES = 4


@dataclass(frozen=True, slots=True)
class AirflowApi:
    """One user's way into Airflow."""

    client: httpx.Client

    @classmethod
    def sign_in(cls, url: str, user: str, password: str) -> AirflowApi:
        """Open the API of the Airflow at `url` for a user.

        Raises:
            SettingsError: Airflow does not know this user with this password.
            AbflowError: Airflow does not answer.
        """
        # Proxies that the shell names are for addresses elsewhere.
        client = httpx.Client(base_url=url, timeout=30, trust_env=False)
        try:
            token = _sign_in(client, user, password)
        except BaseException:
            client.close()
            raise
        client.headers["Authorization"] = f"Bearer {token}"
        return cls(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def dag(self, dag_id: str) -> Dag:
        """One DAG as Airflow knows it now."""
        return Dag.from_json(self._ask("GET", _path("dags", dag_id)))

    def dags(self) -> tuple[Dag, ...]:
        """Every DAG that Airflow knows, in the order of their names."""
        return tuple(Dag.from_json(each) for each in self._pages(_path("dags"), "dags", "dag_id"))

    def wait_for_dag(self, dag_id: str, timeout: float = 60) -> Dag:
        """One DAG, as soon as Airflow has parsed its file.

        Raises:
            AbflowError: The DAG did not appear in time; files that cannot be read are in the message.
        """
        deadline = time.monotonic() + timeout
        while True:
            if found := next((dag for dag in self.dags() if dag.dag_id == dag_id), None):
                return found
            if time.monotonic() > deadline:
                failures = "".join(f"\n{each.filename}: {each.text}" for each in self.import_errors())
                raise AbflowError(
                    f"Airflow has no DAG {dag_id!r} after {timeout:g} s; look for its file in the DAGs folder"
                    f"{failures and ' and at what Airflow says of files it could not read:'}{failures}"
                )
            time.sleep(0.3)

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run by its schedule."""
        self._ask("PATCH", _path("dags", dag_id), body={"is_paused": False})

    def trigger(
        self, dag_id: str, conf: Mapping[str, Any] | None = None, logical_date: datetime | None = None
    ) -> DagRun:
        """Start a run by hand, as the form does."""
        body = {
            "conf": dict(conf or {}),
            "logical_date": logical_date.isoformat() if logical_date else None,
        }
        return DagRun.from_json(self._ask("POST", _path("dags", dag_id, "dagRuns"), body=body))

    def runs(self, dag_id: str) -> tuple[DagRun, ...]:
        """All runs of a DAG, in the order in which they were due."""
        path = _path("dags", dag_id, "dagRuns")
        return tuple(DagRun.from_json(each) for each in self._pages(path, "dag_runs", "run_after"))

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """One run of a DAG."""
        return DagRun.from_json(self._ask("GET", _path("dags", dag_id, "dagRuns", run_id)))

    def progress(self, dag_id: str) -> dict[str, int]:
        """How many runs of a DAG are in each state; states without runs are left out."""
        answer = self._ask("GET", _path("dagStats"), query={"dag_ids": dag_id})
        return {each["state"]: each["count"] for dag in answer["dags"] for each in dag["stats"] if each["count"]}

    def task_instances(self, dag_id: str, run_id: str) -> tuple[TaskRun, ...]:
        """The tasks of one run, in the order of their names."""
        path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances")
        found = [TaskRun.from_json(each) for each in self._pages(path, "task_instances", "map_index")]
        # Airflow does not order by name.
        return tuple(sorted(found, key=lambda task: (task.task_id, task.map_index)))

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, try_number: int | None = None, *, map_index: int = -1
    ) -> str:
        """What a task printed and logged, in its latest try unless a number is given."""
        task = _path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
        number = try_number or self._ask("GET", f"{task}/{map_index}" if map_index >= 0 else task)["try_number"]
        lines: list[str] = []
        query: dict[str, Any] = {"full_content": True, "map_index": map_index}
        while True:
            answer = self._ask("GET", f"{task}/logs/{number}", query=query)
            lines += [log_line(each) for each in answer["content"]]
            query["token"] = answer.get("continuation_token")
            if not (query["token"] and answer["content"]):
                return "\n".join(lines)

    def clear(self, dag_id: str, run_id: str, task_ids: Sequence[str], downstream: bool = True) -> tuple[str, ...]:
        """Run tasks of one run again; answers the names of all tasks that were cleared."""
        body = {
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "include_downstream": downstream,
            "only_failed": False,
            "dry_run": False,
        }
        answer = self._ask("POST", _path("dags", dag_id, "clearTaskInstances"), body=body)
        return tuple(sorted(each["task_id"] for each in answer["task_instances"]))

    def set_task_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Declare how a task ended, as *Mark success* and *Mark failed* do."""
        path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
        self._ask("PATCH", path, body={"new_state": state})

    def answer_approval(self, dag_id: str, run_id: str, chosen: str, reason: str, *, task_id: str = "approve") -> None:
        """Answer the question that a run waits for with one of its options, such as Approve or Reject."""
        path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "-1", "hitlDetails")
        self._ask("PATCH", path, body={"chosen_options": [chosen], "params_input": {"reason": reason}})

    def import_errors(self) -> tuple[ImportFailure, ...]:
        """The DAG files that Airflow could not read."""
        return tuple(
            ImportFailure.from_json(each) for each in self._pages(_path("importErrors"), "import_errors", "id")
        )

    def _pages(self, path: str, key: str, order: str) -> Iterator[Any]:
        offset = 0
        while True:
            query = {"limit": PAGE, "offset": offset, "order_by": order}
            answer = self._ask("GET", path, query=query)
            yield from answer[key]
            offset += len(answer[key])
            if not answer[key] or offset >= answer["total_entries"]:
                return

    def _ask(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        for _ in range(TRIES):
            response = _request(self.client, method, path, query=query, body=body)
            if not (response.status_code == httpx.codes.INTERNAL_SERVER_ERROR and LOCKED in response.text):
                break
        return _accepted(response)


def _sign_in(client: httpx.Client, user: str, password: str) -> str:
    response = _request(client, "POST", "/auth/token", body={"username": user, "password": password})
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise SettingsError(
            f"Airflow at {client.base_url} does not know user {user!r} with this password; "
            "the passwords are in the platform's folder, in airflow/passwords.json"
        )
    token: str = _accepted(response)["access_token"]
    return token


def _request(
    client: httpx.Client, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None
) -> httpx.Response:
    try:
        return client.request(method, path, params=query, json=body)
    except httpx.TransportError as lost:
        raise AbflowError(
            f"Airflow at {client.base_url} does not answer {method} {path} ({type(lost).__name__}: {lost}); "
            "is its API server running?"
        ) from lost


def _accepted(response: httpx.Response) -> Any:
    if response.is_error:
        asked = response.request
        raise AbflowError(f"Airflow refused {asked.method} {asked.url} with {response.status_code}: {response.text}")
    return response.json()


def _path(*parts: str) -> str:
    """The path of an API resource; run ids contain signs that mean something in a URL."""
    return "/api/v2/" + "/".join(quote(part, safe="") for part in parts)
