"""`LocalPlatform`: a real Airflow and a real MLflow over one folder."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from abflow.errors import AbflowError
from abflow.local.environment import PlatformSpec, patient, prepare_passwords, prepare_preload, server_environment
from abflow.local.keeper import Keeper
from abflow.local.pid_files import is_noted, pid_folder, remove_pid_file, stop_left_over, write_pid_file
from abflow.local.ports import HOST, free_port
from abflow.local.processes import Server, end_servers, start_server
from abflow.local.readiness import refuse_dead, wait_until_ready

# Everything runs on one machine, where the API server reads task logs from the disk: no log servers, whose
# ports could not be shared with another Airflow.
AIRFLOW_SERVERS = {
    "api-server": ("airflow", "api-server"),
    "scheduler": ("airflow", "scheduler", "--skip-serve-logs"),
    "dag-processor": ("airflow", "dag-processor"),
    "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
}
MIGRATION_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlatform:
    """Running servers; leaving the `with` block, or the end of the program in any way, ends them."""

    spec: PlatformSpec
    airflow_port: int
    mlflow_port: int
    passwords: Mapping[str, str] = field(repr=False)
    started: datetime
    keeper: Keeper
    servers: list[Server] = field(default_factory=list)

    @classmethod
    def start(cls, spec: PlatformSpec) -> LocalPlatform:
        """Start all servers, after ending those that an earlier platform left in the same folder.

        They are not ready yet when this returns, so that the caller can use the time.

        Raises:
            SettingsError: Airflow or MLflow is not installed.
            AbflowError: Airflow's database could not be prepared.
        """
        stop_left_over(spec.home)
        for folder in (pid_folder(spec.home), _logs(spec), spec.airflow_home, spec.mlflow_home):
            folder.mkdir(parents=True, exist_ok=True)
        # With a file of its own Airflow would mix what it finds there with what we say.
        (spec.airflow_home / "airflow.cfg").touch()
        prepare_preload(spec)
        platform = cls(
            spec=spec,
            airflow_port=free_port(spec.airflow_port),
            mlflow_port=free_port(spec.mlflow_port),
            passwords=prepare_passwords(spec),
            started=datetime.now(UTC),
            keeper=Keeper.start(),
        )
        with ExitStack() as on_failure:
            on_failure.callback(platform.stop)
            platform._start_servers()
            on_failure.pop_all()
        return platform

    @property
    def airflow_url(self) -> str:
        """Where Airflow's page and API are."""
        return f"http://{HOST}:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        """Where MLflow's page and API are: the tracking URI."""
        return f"http://{HOST}:{self.mlflow_port}"

    def _start_servers(self) -> None:
        environment = server_environment(self.spec, airflow_port=self.airflow_port, mlflow_port=self.mlflow_port)
        self._start("mlflow", _mlflow_command(self.spec, self.mlflow_port), environment)
        self._migrate(environment)
        for name, command in AIRFLOW_SERVERS.items():
            self._start(name, command, environment if name == "api-server" else patient(environment))

    def _start(self, name: str, command: tuple[str, ...], environment: Mapping[str, str]) -> Server:
        server = start_server(
            name,
            command,
            folder=self.spec.home,
            log=_logs(self.spec) / f"{name}.log",
            environment=environment,
        )
        self.servers.append(server)
        write_pid_file(self.spec.home, server.record)
        self.keeper.look_after(server.record)
        return server

    def _migrate(self, environment: Mapping[str, str]) -> None:
        """Make Airflow's tables, or bring them up to date; MLflow starts meanwhile."""
        note = self.spec.airflow_home / "migrated.txt"
        airflow = version("apache-airflow-core")
        if note.exists() and note.read_text() == airflow and (self.spec.airflow_home / "airflow.db").exists():
            return
        migration = self._start("migration", ("airflow", "db", "migrate"), environment)
        try:
            failed = migration.process.wait(MIGRATION_SECONDS)
        except subprocess.TimeoutExpired as late:
            raise AbflowError(
                f"Airflow's database {self.spec.airflow_home / 'airflow.db'} was not ready after "
                f"{MIGRATION_SECONDS:g} s; read {migration.log}"
            ) from late
        if failed:
            refuse_dead(migration)
        self._forget(migration)
        note.write_text(airflow)

    def wait_until_ready(self, timeout: float = 120) -> None:
        """Wait until everything answers.

        Raises:
            AbflowError: A server died, or one does not answer in time; the end of its log is in the message.
        """
        wait_until_ready(
            self.servers,
            airflow_url=self.airflow_url,
            mlflow_url=self.mlflow_url,
            since=self.started,
            timeout=timeout,
        )

    def refuse_dead(self) -> None:
        """Say which server ended by itself, if one did: who waits for the platform's work need not wait for ever.

        Raises:
            AbflowError: A server is not running; the end of its log is in the message.
        """
        for server in self.servers:
            refuse_dead(server)

    def watch(self) -> None:
        """Wait until another program ends the platform with `stop_left_over`.

        Raises:
            AbflowError: A server ended by itself.
        """
        while True:
            for server in self.servers:
                if server.exit_code is not None:
                    if not is_noted(self.spec.home, server.record):
                        return
                    refuse_dead(server)
            time.sleep(0.5)

    def stop(self) -> None:
        """End all servers and whatever they started; a second time does nothing."""
        end_servers([server.record for server in self.servers])
        for server in tuple(self.servers):
            server.process.wait()
            self._forget(server)
        self.keeper.dismiss()

    def _forget(self, server: Server) -> None:
        remove_pid_file(self.spec.home, server.record)
        self.servers.remove(server)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _logs(spec: PlatformSpec) -> Path:
    return spec.home.resolve() / "logs"


def _mlflow_command(spec: PlatformSpec, port: int) -> tuple[str, ...]:
    settings = {
        "host": HOST,
        "port": str(port),
        # The default of four takes two gigabytes.
        "workers": "1",
        "backend-store-uri": f"sqlite:///{spec.mlflow_home / 'mlflow.db'}",
        # Clients hand artifacts to the server, so that they need no access to its disk.
        "artifacts-destination": str(spec.mlflow_home / "artifacts"),
    }
    options = (f"--{name}={value}" for name, value in settings.items())
    return ("mlflow", "server", "--serve-artifacts", *options)
