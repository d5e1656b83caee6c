"""A project with its own platform, and what the stories ask of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from mlflow import MlflowClient

from abflow.errors import AbflowError
from abflow.lifecycle.bench import Bench, open_bench
from abflow.local.airflow_api import AirflowApi
from abflow.local.airflow_records import DagRun, TaskRun
from abflow.local.demo import PRELOAD
from abflow.local.environment import PlatformSpec
from abflow.local.services import LocalPlatform
from abflow.registry.ledger import Entry
from abflow.settings import load_settings
from abflow.simulate.simulation import simulate
from abflow.simulate.truth import EventTruth, Truth

Answer = TypeVar("Answer")

DAG_FILE = Path(__file__).parents[2] / "dags" / "abflow_experiments.py"
USER, STRANGER = "ana", "ben"
SEED = 20260901
# Half of the users of the control come back within a day; with the treatment a quarter more of them.
TRUTH = Truth(
    units_per_day=1000,
    events={"session": EventTruth(share=0.8, per_day=0.75, value=None)},
    effects={"returned": {"treatment": 0.25}},
    shadow_requests_per_day=3000,
)
VERSIONS = {"control": "1", "treatment": "2"}
# Generous: the machine may be doing anything else as well.
PATIENCE = 900.0
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed"})


def project_in(folder: Path) -> Path:
    """A project with the repository's own DAG file, and no experiments yet."""
    (folder / "dags" / "experiments").mkdir(parents=True)
    (folder / "plugins").mkdir()
    shutil.copy(DAG_FILE, folder / "dags")
    return folder


def platform_of(root: Path) -> PlatformSpec:
    """A platform on free ports over a project."""
    return PlatformSpec(
        home=root / "platform",
        dags_folder=root / "dags",
        plugins_folder=root / "plugins",
        environment={
            "ABFLOW_ROOT": str(root),
            "ABFLOW_STORE": str(root / "data" / "store"),
            "ABFLOW_LEDGER": str(root / "data" / "ledger.jsonl"),
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",
        },
        airflow_port=0,
        mlflow_port=0,
        preload=PRELOAD,
        users={USER: "admin", STRANGER: "op"},
    )


def write_logs(root: Path, bench: Bench, *, versions: Mapping[str, str] | None = VERSIONS, **changes: Any) -> None:
    """Write the experiment's logs; a second time they replace the first ones."""
    truth = TRUTH.model_copy(update=changes)
    simulate(bench.spec, truth, seed=SEED, root=root, versions=versions)


@dataclass(frozen=True, slots=True)
class Train:
    """A running platform, and the project that it works on."""

    root: Path
    platform: LocalPlatform
    airflow: AirflowApi
    mlflow: MlflowClient

    def bench(self, name: str) -> Bench:
        """The experiment, with its store and ledger as they are now."""
        settings = load_settings(
            root=self.root,
            store=self.root / "data" / "store",
            ledger=self.root / "data" / "ledger.jsonl",
            mlflow_tracking_uri=self.platform.mlflow_url,
        )
        return open_bench(name, settings)

    def aliases(self, model: str) -> dict[str, int]:
        """The version that each alias of a model points at."""
        return {alias: int(number) for alias, number in self.mlflow.get_registered_model(model).aliases.items()}

    def ledger(self, name: str, kind: str) -> list[Entry]:
        """The ledger's entries of one kind about an experiment; reading them checks the whole chain."""
        entries = self.bench(name).ledger.entries()
        return [entry for entry in entries if (entry.experiment, entry.kind) == (name, kind)]

    def runs(self, name: str) -> dict[date, DagRun]:
        """The runs of the schedule, by their experiment day."""
        return {
            run.data_interval_start.date(): run
            for run in self.airflow.runs(f"abflow__{name}")
            if run.data_interval_start and run.run_type == "scheduled"
        }

    def tasks(self, name: str, run_id: str) -> dict[str, TaskRun]:
        """The tasks of a run, by their names."""
        return {task.name: task for task in self.airflow.task_instances(f"abflow__{name}", run_id)}

    def states(self, name: str, run_id: str) -> dict[str, str | None]:
        """How the tasks of a run ended, or where they are."""
        return {task_id: task.state for task_id, task in self.tasks(name, run_id).items()}

    def done_on(self, name: str, day: date) -> set[str]:
        """The steps of a day that were done; all others were skipped."""
        tasks = self.tasks(name, self.runs(name)[day].run_id).values()
        assert {task.state for task in tasks} <= {"success", "skipped"}, self.report(name)
        return {task.task_id for task in tasks if task.state == "success"} - {"day_done"}

    def built_on(self, name: str, day: date) -> list[str]:
        """The partitions that were built by tasks of a day's run."""
        tasks = self.tasks(name, self.runs(name)[day].run_id).values()
        built = [task for task in tasks if task.task_id == "build_partitions" and task.map_index >= 0]
        assert {task.state for task in built} <= {"success"}, self.report(name)
        return [str(task.label) for task in built]

    def log(self, name: str, run_id: str, task_id: str) -> str:
        """What a task logged in its latest try."""
        task = self.tasks(name, run_id)[task_id]
        return self.airflow.task_log(f"abflow__{name}", run_id, task.task_id, map_index=task.map_index)

    def clear(self, name: str, run_id: str, task_id: str) -> None:
        """Clear a task with everything downstream of it, as the page offers."""
        self.airflow.clear(f"abflow__{name}", run_id, [task_id])

    def wait(self, name: str, question: Callable[[], Answer | None], *, patience: float = PATIENCE) -> Answer:
        """The first answer to a question about an experiment that is not empty."""
        deadline = time.monotonic() + patience
        while True:
            if answer := question():
                return answer
            self.platform.refuse_dead()
            assert time.monotonic() < deadline, f"not so after {patience:g} s\n{self.report(name)}"
            time.sleep(1)

    def wait_for_days(self, name: str) -> dict[date, DagRun]:
        """All runs of an experiment, as soon as every day of it is done; a failure ends the waiting."""
        calendar = self.bench(name).calendar
        days = (calendar.last - calendar.first).days + 1

        def done() -> dict[date, DagRun] | None:
            runs = self.runs(name)
            states = {run.state for run in runs.values()}
            assert "failed" not in states, self.report(name)
            return runs if len(runs) == days and states == {"success"} else None

        return self.wait(name, done)

    def wait_for_run(self, name: str, day: date) -> str:
        """The id of a day's run, as soon as there is one."""
        return self.wait(name, lambda: self.runs(name).get(day)).run_id

    def wait_for_task(self, name: str, run_id: str, task_id: str, *states: str) -> str:
        """The state of a task, as soon as it is one of these; default: as soon as it has ended."""
        wanted = set(states) or ENDED

        def found() -> str | None:
            state = self.states(name, run_id).get(task_id)
            return state if state in wanted else None

        return self.wait(name, found)

    def wait_for_end(self, name: str, run_id: str) -> str:
        """How a run ended, as soon as it has."""

        def ended() -> str | None:
            state = self.airflow.run(f"abflow__{name}", run_id).state
            return state if state in ENDED else None

        return self.wait(name, ended)

    def why(self, name: str, run_id: str, task_id: str) -> str:
        """Wait until a task has failed; the last line of its log, but for Airflow's marks of its sections."""
        assert self.wait_for_task(name, run_id, task_id) == "failed", self.report(name)
        said = [line for line in self.log(name, run_id, task_id).splitlines() if " ::" not in line]
        return said[-1]

    def report(self, name: str) -> str:
        """Every task that is not simply done, and the logs of those that failed."""
        lines = []
        for run in self.airflow.runs(f"abflow__{name}"):
            states = self.states(name, run.run_id)
            lines.append(f"{run.run_id}: {run.state}, {states}")
            for task_id in [task_id for task_id, state in states.items() if state in ("failed", "up_for_retry")]:
                try:
                    lines.append(self.log(name, run.run_id, task_id)[-4000:])
                except AbflowError as error:
                    lines.append(str(error))
        return "\n".join(lines)
