"""The demo: a real Airflow takes a model version through the whole lifecycle, on logs with a known truth."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from rich.console import Console

from abflow.analysis.wording import count
from abflow.errors import AbflowError
from abflow.lifecycle.bench import Bench, open_bench
from abflow.lifecycle.page import SCORECARD, summary
from abflow.local.airflow_api import AirflowApi
from abflow.local.airflow_records import DagRun
from abflow.local.environment import PlatformSpec
from abflow.local.models import register_demo_models
from abflow.local.pid_files import stop_left_over
from abflow.local.services import LocalPlatform
from abflow.settings import Settings, load_settings
from abflow.simulate.simulation import simulate
from abflow.simulate.truth import EventTruth, Truth

EXPERIMENT = "churn_demo"
DAG_ID = f"abflow__{EXPERIMENT}"
USER = "admin"
SEED = 7
# The challenger really brings 12 % more users back, costs no revenue and saves no tickets.
TRUTH = Truth(
    units_per_day=3000,
    events={
        "session": EventTruth(share=0.55, per_day=0.25, value=None),
        "purchase": EventTruth(share=0.5, per_day=0.35),
        "ticket": EventTruth(share=0.05, per_day=0.1, value=None),
    },
    effects={"returned": {"treatment": 0.12}},
    crossed_rate=0.0004,
)
PRELOAD = (
    "abflow.lifecycle.daily",
    "abflow.lifecycle.horizon",
    "abflow.lifecycle.page",
    "abflow.lifecycle.preparation",
    "abflow.lifecycle.promotion",
    "abflow.lifecycle.shadow",
    "duckdb",
    "mlflow",
    "mlflow.tracking",
    "mlflow.store.tracking.rest_store",
)


@dataclass(frozen=True, slots=True)
class Demo:
    """Where the demo lives and how it talks.

    Attributes:
        root: The project: the folder that holds `dags/` and `data/`.
        truth: What is so in the simulated world.
        ports: Preferred ports of Airflow and MLflow; 0 takes any.
    """

    root: Path
    console: Console
    truth: Truth = TRUTH
    ports: tuple[int, int] = (8080, 5000)
    stages: list[tuple[str, float]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Everything that the demo writes."""
        return self.root / "data" / "demo"

    @property
    def platform(self) -> PlatformSpec:
        """The servers of the demo."""
        return PlatformSpec(
            home=self.folder / "platform",
            dags_folder=self.root / "dags",
            plugins_folder=self.root / "plugins",
            environment={
                "ABFLOW_ROOT": str(self.root),
                "ABFLOW_STORE": str(self.folder / "store"),
                "ABFLOW_LEDGER": str(self.folder / "ledger.jsonl"),
                "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",
            },
            airflow_port=self.ports[0],
            mlflow_port=self.ports[1],
            users={USER: "admin"},
            preload=PRELOAD,
        )

    def settings(self, mlflow_url: str) -> Settings:
        """The settings that the tasks have as well."""
        return load_settings(
            root=self.root,
            store=self.folder / "store",
            ledger=self.folder / "ledger.jsonl",
            mlflow_tracking_uri=mlflow_url,
        )

    def say(self, line: str) -> None:
        """Print a line as it is: names in it are free text."""
        self.console.print(line, markup=False, highlight=False)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage and say so."""
        began = time.monotonic()
        yield
        self.stages.append((name, time.monotonic() - began))
        self.console.print(f"  {name}: {self.stages[-1][1]:.1f} s", highlight=False)


def run_demo(demo: Demo) -> Bench:
    """Run the whole lifecycle on real servers, and leave their state behind for `make ui`.

    Returns:
        The experiment, with its evidence in the store.

    Raises:
        AbflowError: The experiment did not reach its horizon; the message says where it stopped and why.
    """
    began = time.monotonic()
    demo.console.print("[bold]abflow demo[/bold]: one experiment from shadow log to registry")
    stop_left_over(demo.platform.home)
    shutil.rmtree(demo.folder, ignore_errors=True)
    demo.folder.mkdir(parents=True)
    with ThreadPoolExecutor(1) as beside:
        logs = beside.submit(_write_logs, demo)
        with demo.stage("start Airflow and MLflow"):
            platform = _start(demo)
        with platform:
            bench = _work(demo, platform, logs)
            _tell(demo, bench, platform.passwords[USER], time.monotonic() - began)
    return bench


def _start(demo: Demo) -> LocalPlatform:
    platform = LocalPlatform.start(demo.platform)
    try:
        platform.wait_until_ready()
    except BaseException:
        platform.stop()
        raise
    return platform


def _write_logs(demo: Demo) -> int:
    settings = demo.settings("unused")
    bench = open_bench(EXPERIMENT, settings)
    written = simulate(bench.spec, demo.truth, seed=SEED, root=demo.root, versions={"control": "1", "treatment": "2"})
    return sum(written.rows.values())


def _work(demo: Demo, platform: LocalPlatform, logs: Future[int]) -> Bench:
    with demo.stage("register two versions of a model"):
        versions = _register(platform.mlflow_url)
    if versions != (1, 2):
        raise AbflowError(f"the demo's model has versions {versions} in a fresh registry, expected 1 and 2")
    with demo.stage("write the logs (most of it while the servers started)"):
        rows = logs.result()
    demo.console.print(f"  {count(rows)} rows of simulated logs in data/demo/logs", highlight=False)
    bench = open_bench(EXPERIMENT, demo.settings(platform.mlflow_url))
    days = (bench.calendar.last - bench.calendar.first).days + 1
    with (
        demo.stage(f"Airflow works through {days} days"),
        AirflowApi.sign_in(platform.airflow_url, USER, platform.passwords[USER]) as airflow,
    ):
        airflow.wait_for_dag(DAG_ID)
        airflow.unpause(DAG_ID)
        _watch(platform, airflow, days, demo.console)
    return bench


def _register(mlflow_url: str) -> tuple[int, int]:
    """Register the two versions without MLflow's own messages."""
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with redirect_stderr(StringIO()):
        return register_demo_models(mlflow_url, "churn")


def _watch(platform: LocalPlatform, airflow: AirflowApi, days: int, console: Console, *, patience: float = 600) -> None:
    """Show progress until every day is done, one has failed, or a server ended."""
    limit, done = time.monotonic() + patience, -1
    while time.monotonic() < limit:
        platform.refuse_dead()
        states = airflow.progress(DAG_ID)
        if states.get("failed"):
            raise AbflowError(_why(airflow))
        if states.get("success", 0) != done:
            done = states.get("success", 0)
            if done % 5 == 0 or done == days or console.is_terminal:
                _bar(console, done, days)
        if done == days:
            return
        time.sleep(0.5)
    raise AbflowError(f"after {patience:g} s only {done} of {days} days are done; look at data/demo/platform/logs")


def _bar(console: Console, done: int, days: int) -> None:
    end = "\r" if console.is_terminal and done < days else "\n"
    console.print(f"  {'█' * done}{'░' * (days - done)} day {done} of {days}", end=end, highlight=False)


def _why(airflow: AirflowApi) -> str:
    """Which task of which day failed, and the last words of its log."""
    failed = [run for run in airflow.runs(DAG_ID) if run.state == "failed"]
    run = min(failed, key=_day)
    tasks = [t for t in airflow.task_instances(DAG_ID, run.run_id) if t.state == "failed"]
    if not tasks:
        return f"the run {run.run_id} failed"
    log = airflow.task_log(DAG_ID, run.run_id, tasks[0].task_id, map_index=tasks[0].map_index)
    return f"{tasks[0].task_id} of {_day(run)} failed:\n{log[-2000:]}"


def _day(run: DagRun) -> str:
    return str(run.data_interval_start)[:10]


def _tell(demo: Demo, bench: Bench, password: str, seconds: float) -> None:
    """What came of it, where to look, and how to sign in."""
    demo.say("")
    for line in summary(bench):
        demo.say(line)
    demo.say("")
    demo.say(f"done in {seconds:.0f} s: " + ", ".join(f"{name} {took:.0f} s" for name, took in demo.stages))
    demo.say(f"scorecard: {bench.store.folder / SCORECARD}")
    demo.say(f"look around: `make ui`, then sign in to Airflow as {USER} with the password {password}")


def run_ui(demo: Demo) -> None:
    """Serve Airflow and MLflow over what the demo left behind, until Ctrl-C."""
    if not (demo.folder / "platform").is_dir():
        raise AbflowError(f"{demo.folder} holds no demo yet; run `make demo` first")
    platform = _start(demo)
    with platform:
        demo.say(f"Airflow:   {platform.airflow_url}/dags/{DAG_ID}")
        demo.say(f"           user {USER}, password {platform.passwords[USER]}")
        demo.say(f"MLflow:    {platform.mlflow_url}")
        demo.say(f"Scorecard: {demo.folder / 'store' / EXPERIMENT / SCORECARD}")
        demo.say("Ctrl-C ends both.")
        try:
            platform.watch()
        except KeyboardInterrupt:
            demo.say("ended")
