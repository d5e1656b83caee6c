"""What the servers are told: everything through their environment, nothing through files of theirs."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from abflow.local.ports import HOST

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
LOCK_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSpec:
    """Which platform is wanted.

    Args:
        home: The folder that holds everything the platform writes.
        environment: What the tasks find in their environment beside the platform's own.
        airflow_port: Another one is chosen if it is taken; 0 takes any.
        mlflow_port: The same for MLflow.
        users: Airflow's users and their roles: admin, op, user or viewer.
        paused_at_creation: Whether a new DAG waits until somebody unpauses it.
        parallelism: How many tasks run at one time.
        parse_every: Seconds between two looks at the DAG files; each costs a second of one core.
        preload: Modules that the scheduler, or a Celery worker, imports once, so that the tasks it forks need not.
    """

    home: Path
    dags_folder: Path
    plugins_folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    airflow_port: int = 8080
    mlflow_port: int = 5000
    users: Mapping[str, str] = field(default_factory=lambda: {"admin": "admin"})
    paused_at_creation: bool = True
    parallelism: int = 4
    parse_every: int = 10
    preload: tuple[str, ...] = ()

    @property
    def airflow_home(self) -> Path:
        """Where Airflow's database, secrets and task logs are."""
        return self.home.resolve() / "airflow"

    @property
    def mlflow_home(self) -> Path:
        """Where MLflow's database and artifacts are."""
        return self.home.resolve() / "mlflow"

    @property
    def passwords_file(self) -> Path:
        """The passwords of Airflow's users, as Airflow reads them."""
        return self.airflow_home / "passwords.json"


def server_environment(spec: PlatformSpec, *, airflow_port: int, mlflow_port: int) -> dict[str, str]:
    """The environment of all servers, and with it of all tasks."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "MLFLOW_"))}
    no_proxy = ",".join(filter(None, [os.environ.get("NO_PROXY", os.environ.get("no_proxy")), HOST]))
    return {
        **inherited,
        # The commands are found although nobody activated the virtual environment.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        **_airflow(spec, f"http://{HOST}:{airflow_port}", airflow_port),
        **_MLFLOW,
        "MLFLOW_TRACKING_URI": f"http://{HOST}:{mlflow_port}",
        **spec.environment,
    }


def patient(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of every server but the API server: these wait a minute for SQLite's lock.

    An API server that waits for the lock on its event loop keeps its own request that holds the lock from finishing,
    for as long as it waits: five seconds, and sometimes another five at once. That is when a scheduler with the same
    patience gives up, and a scheduler that gives up ends.
    """
    database = environment[DATABASE]
    waits = database.startswith("sqlite:") and "?" not in database
    return {**environment, DATABASE: f"{database}?timeout={LOCK_SECONDS}"} if waits else dict(environment)


_MLFLOW = {
    # The job runner and its seven consumers take a gigabyte, and nothing here uses them.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


def _airflow(spec: PlatformSpec, url: str, port: int) -> dict[str, str]:
    home = spec.airflow_home
    secret = _secrets(home / "secrets.json")
    sections: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": spec.dags_folder.resolve(),
            "plugins_folder": spec.plugins_folder.resolve(),
            "load_examples": False,
            "executor": "LocalExecutor",
            "parallelism": spec.parallelism,
            "dags_are_paused_at_creation": spec.paused_at_creation,
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": secret["fernet_key"],
            "simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in spec.users.items()),
            "simple_auth_manager_passwords_file": spec.passwords_file,
        },
        # With SQLite's own patience of five seconds: see `patient`.
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}"},
        "logging": {"base_log_folder": home / "logs"},
        "api": {
            "host": HOST,
            "port": port,
            "base_url": url,
            "workers": 1,
            # The reader is the owner of the machine; and `AirflowApi` tells a locked database by it.
            "expose_stacktrace": True,
            "secret_key": secret["secret_key"],
        },
        "api_auth": {"jwt_secret": secret["jwt_secret"]},
        # With the defaults of one second and five a past month takes four times as long. The price is
        # a tenth of a core while nothing runs: right for a demo, not for production.
        "scheduler": {"scheduler_idle_sleep_time": 0.1},
        "workers": {"min_heartbeat_interval": 1},
        # A changed file is parsed after the first, a new file is found after the second.
        "dag_processor": {
            "min_file_process_interval": spec.parse_every,
            "refresh_interval": spec.parse_every,
        },
    }
    options = {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, values in sections.items()
        for name, value in values.items()
    }
    return {"AIRFLOW_HOME": str(home), "SCARF_ANALYTICS": "false", **options}


def _secrets(file: Path) -> dict[str, str]:
    """Keys that stay the same from one start to the next, so that nobody has to sign in again."""
    if not file.exists():
        write_private(
            file,
            {
                "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "jwt_secret": secrets.token_hex(64),
                "secret_key": secrets.token_hex(32),
            },
        )
    keys: dict[str, str] = json.loads(file.read_text())
    return keys


def prepare_preload(spec: PlatformSpec) -> None:
    """Let those who fork tasks import what tasks need; on two cores imports are most of a task.

    Right for a demo and for tests. In production an executor starts its workers elsewhere.
    """
    lines = [f"    import {module}" for module in spec.preload]
    text = "\n".join(["import sys", "", 'if {"scheduler", "celery"} & set(sys.argv):', *(lines or ["    pass"]), ""])
    file = spec.airflow_home / "config" / "airflow_local_settings.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def prepare_passwords(spec: PlatformSpec) -> dict[str, str]:
    """Every user's password, made up where there is none yet."""
    file = spec.passwords_file
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    passwords = {user: known.get(user) or secrets.token_urlsafe(9) for user in spec.users}
    write_private(file, passwords)
    return passwords


def write_private(file: Path, values: Mapping[str, str]) -> None:
    """Write values that only the owner of the file may read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(json.dumps(values, indent=2) + "\n")
