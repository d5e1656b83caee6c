"""Whether the servers answer, or which of them died and what it said last."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

import httpx

from abflow.errors import AbflowError
from abflow.local.processes import Server

AIRFLOW_PARTS = ("scheduler", "triggerer", "dag_processor")


def wait_until_ready(
    servers: Sequence[Server], *, airflow_url: str, mlflow_url: str, since: datetime, timeout: float
) -> None:
    """Wait until MLflow and every part of Airflow answer.

    Signs of life from before the servers were started, at `since`, are those of an earlier platform.

    Raises:
        AbflowError: A server died, or one does not answer in time.
    """
    deadline = time.monotonic() + timeout
    # Proxies that the shell names are for addresses elsewhere.
    with httpx.Client(timeout=5, trust_env=False) as client:
        while silent := _silent(client, airflow_url, mlflow_url, since):
            for server in servers:
                refuse_dead(server)
            if time.monotonic() > deadline:
                logs = ", ".join(str(server.log) for server in servers)
                raise AbflowError(
                    f"after {timeout:g} s there is no answer yet from {', '.join(silent)}; "
                    f"read the logs ({logs}), and allow more time if the machine is only slow"
                )
            time.sleep(0.2)


def _silent(client: httpx.Client, airflow_url: str, mlflow_url: str, since: datetime) -> list[str]:
    """The parts of the platform that do not answer yet."""
    silent = [] if _answer(client, f"{mlflow_url}/health") else ["mlflow"]
    health = _answer(client, f"{airflow_url}/api/v2/monitor/health")
    if health is None:
        return [*silent, "api-server"]
    for part in AIRFLOW_PARTS:
        state = health.json().get(part) or {}
        seen = state.get(f"latest_{part}_heartbeat")
        if state.get("status") != "healthy" or not seen or datetime.fromisoformat(seen) < since:
            silent.append(part.replace("_", "-"))
    return silent


def _answer(client: httpx.Client, url: str) -> httpx.Response | None:
    try:
        response = client.get(url)
    except httpx.TransportError:
        return None
    return response if response.is_success else None


def refuse_dead(server: Server) -> None:
    """Say how a server ended, if it did.

    Raises:
        AbflowError: The server is not running.
    """
    if server.exit_code is not None:
        raise AbflowError(
            f"{server.record.name} ended with exit code {server.exit_code} although it was to go on; "
            f"its log {server.log} ends with:\n{server.last_words()}"
        )
