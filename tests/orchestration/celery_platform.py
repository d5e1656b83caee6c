"""What Celery needs beside Airflow: PostgreSQL, Redis, and workers that stand for machines of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from abflow.local.environment import PlatformSpec, server_environment
from abflow.local.ports import HOST, free_port
from abflow.local.processes import Server, end_servers, start_server
from abflow.local.services import LocalPlatform

# Debian keeps PostgreSQL's own programs out of the PATH.
POSTGRES_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
SECONDS = 60


def program(name: str) -> str | None:
    """Where a program is, if it is installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, POSTGRES_FOLDERS)]))


@contextmanager
def postgres() -> Iterator[str]:
    """An empty PostgreSQL database; the address is SQLAlchemy's."""
    initdb, server = program("initdb"), program("postgres")
    assert initdb
    assert server
    # It refuses to run as root, and its own user cannot look into a folder of root's.
    as_user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="abflow-postgres-"))
    try:
        if as_user:
            shutil.chown(folder, "postgres", "postgres")
        data, port = folder / "data", free_port(0)
        made = [initdb, "-D", data, "-U", "airflow", "--auth=trust", "--no-sync", "--encoding=UTF8"]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **as_user)  # type: ignore[call-overload]
        # Nothing here needs to survive a crash of the machine.
        command = [
            server,
            "-D",
            data,
            "-h",
            HOST,
            "-p",
            port,
            "-k",
            "",
            "-c",
            "fsync=off",
            "-c",
            "log_min_messages=panic",
        ]
        with _running(command, port, cwd=folder, **as_user):
            yield f"postgresql+psycopg2://airflow@{HOST}:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[str]:
    """A Redis that keeps nothing; the address is Celery's."""
    server, port = program("redis-server"), free_port(0)
    assert server
    with _running([server, "--bind", HOST, "--port", port, "--save", "", "--appendonly", "no"], port):
        yield f"redis://{HOST}:{port}/0"


@contextmanager
def _running(command: Sequence[object], port: int, **options: object) -> Iterator[None]:
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + SECONDS
        while not _answers(port):
            assert process.poll() is None, f"{command[0]} ended"
            assert time.monotonic() < deadline, f"{command[0]} does not answer"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def on_celery(spec: PlatformSpec, *, database: str, broker: str) -> PlatformSpec:
    """The same platform with Celery's executor, as docs/guides/scaling.md has it."""
    environment = {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
        "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
        "ABFLOW_BUILDS_AT_ONCE": "4",
    }
    return replace(spec, environment={**spec.environment, **environment})


@contextmanager
def workers(platform: LocalPlatform, names: Sequence[str]) -> Iterator[dict[str, Server]]:
    """Workers that do one task at a time each."""
    environment = server_environment(
        platform.spec, airflow_port=platform.airflow_port, mlflow_port=platform.mlflow_port
    )
    started: dict[str, Server] = {}
    try:
        for name in names:
            command = ("airflow", "celery", "worker", "--concurrency", "1", "--skip-serve-logs")
            started[name] = start_server(
                name,
                (*command, "--celery-hostname", f"{name}@%h", "--pid", str(platform.spec.home / f"{name}.pid")),
                folder=platform.spec.home,
                log=platform.spec.home / f"{name}.log",
                environment=environment,
            )
            platform.keeper.look_after(started[name].record)
        yield started
    finally:
        end_servers([server.record for server in started.values()])
