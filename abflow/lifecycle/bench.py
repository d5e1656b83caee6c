"""`Bench`: one experiment with everything that its steps work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from abflow.analysis.blueprint import Extended
from abflow.errors import SettingsError
from abflow.logs.layout import DayLog, day_log
from abflow.registry.ledger import Ledger
from abflow.registry.mlflow_registry import MlflowRegistry
from abflow.registry.tracking import MlflowTracking
from abflow.settings import Settings
from abflow.spec.calendar import Calendar, Period, calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import load_experiment
from abflow.store.experiment_store import ExperimentStore

if TYPE_CHECKING:
    from abflow.engine.measuring import Recorded
    from abflow.engine.unit_day import UnitDay

Asked = ParamSpec("Asked")
Told = TypeVar("Told")


@dataclass(frozen=True)
class Bench:
    """An experiment, where its values rest, and what it talks to.

    Attributes:
        pages: Whether the scorecard is drawn; a study of a thousand experiments reads none.
    """

    spec: ExperimentSpec
    settings: Settings
    pages: bool = True

    @property
    def course(self) -> ExperimentSpec:
        """The plan over the days that it takes: more than the file says once the test goes on as it promised."""
        return self.spec.extended if self.store.find("extended", Extended) else self.spec

    @property
    def calendar(self) -> Calendar:
        """The experiment's days."""
        return calendar_of(self.course)

    @cached_property
    def store(self) -> ExperimentStore:
        """Where its values rest."""
        return ExperimentStore(self.settings.store_folder, self.spec.experiment)

    @cached_property
    def ledger(self) -> Ledger:
        """The chain of decisions, shared by all experiments."""
        return Ledger(self.settings.ledger_file)

    @cached_property
    def registry(self) -> MlflowRegistry | None:
        """The model registry; None when the experiment names no model.

        Raises:
            SettingsError: It names one, and nothing says where MLflow is.
        """
        if self.spec.model is None:
            return None
        if not self.settings.mlflow_tracking_uri:
            raise SettingsError(
                f"experiment {self.spec.experiment!r} names model {self.spec.model!r}, but nothing says where MLflow "
                "is; set MLFLOW_TRACKING_URI, or the Airflow connection abflow_mlflow"
            )
        return MlflowRegistry(self.settings.mlflow_tracking_uri)

    @cached_property
    def tracking(self) -> MlflowTracking | None:
        """The experiment's MLflow run; None where no MLflow is configured."""
        uri = self.settings.mlflow_tracking_uri
        return MlflowTracking(uri, self.settings.mlflow_experiment, self.spec.experiment) if uri else None

    def log(self, name: str, day: date) -> DayLog:
        """One day of one of the experiment's logs."""
        source = self.spec.logs.source(name)
        return day_log(
            str(name),  # a member of an enumeration would stand in messages as its own source code
            source.path,
            day,
            root=self.settings.root,
            columns=source.columns,
            by_timestamp=source.day == "timestamp",
        )

    def unit_day(self, day: date) -> UnitDay:
        """Make sure that a day's partitions are made from the logs as they are now, and return their manifest.

        Raises:
            DataError: The day's logs are missing, empty or broken; the partitions stay as they were.
        """
        from abflow.lifecycle import partitions

        return partitions.unit_day(self, day)

    def manifest(self, day: date) -> UnitDay:
        """The manifest of a day that was aggregated.

        Raises:
            EvidenceMissing: It was not.
        """
        from abflow.lifecycle import partitions

        return partitions.manifest(self, day)

    def recorded(self, period: Period, through: date, *, history: bool = False) -> Recorded:
        """Everything that is known of a phase at the end of a day, with the days before it where CUPED reads them.

        Raises:
            EvidenceMissing: A day was not aggregated, or a file of it is gone.
        """
        from abflow.lifecycle import partitions

        return partitions.recorded(self, period, through, history=history)


def reading(step: Callable[Concatenate[Bench, Asked], Told]) -> Callable[Concatenate[Bench, Asked], Told]:
    """Let a function read partitions and states: runs of other days take none away while it does."""

    @wraps(step)
    def held(bench: Bench, /, *args: Asked.args, **kwargs: Asked.kwargs) -> Told:
        with bench.store.reading():
            return step(bench, *args, **kwargs)

    return held


def open_bench(experiment: str, settings: Settings) -> Bench:
    """Load an experiment by its name, or by the path of its file.

    Raises:
        SpecError: There is no such experiment, or its file is not valid.
    """
    path = Path(experiment)
    file = path if path.suffix in (".yaml", ".yml") else settings.experiment_file(experiment)
    return Bench(load_experiment(file), settings)
