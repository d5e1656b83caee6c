"""`Bench`: one experiment with everything that its steps work with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from abflow.errors import DataError, EvidenceMissing, SettingsError
from abflow.logs.layout import DayLog, day_log
from abflow.registry.ledger import Ledger
from abflow.registry.mlflow_registry import MlflowRegistry
from abflow.registry.tracking import MlflowTracking
from abflow.settings import Settings
from abflow.spec.calendar import Calendar, Period, Step, calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import load_experiment
from abflow.store.experiment_store import ExperimentStore

if TYPE_CHECKING:
    from abflow.engine.population import Partition
    from abflow.engine.unit_day import UnitDay


@dataclass(frozen=True)
class Bench:
    """An experiment, where its values rest, and what it talks to."""

    spec: ExperimentSpec
    settings: Settings

    @cached_property
    def calendar(self) -> Calendar:
        """The experiment's days."""
        return calendar_of(self.spec)

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
        location = getattr(self.spec.logs, name)
        return day_log(name, self.settings.root / Path(location), day)

    def unit_day(self, day: date) -> UnitDay:
        """Make sure that a day's partition is made from the logs as they are now, and return its manifest.

        Raises:
            DataError: The day's logs are missing, empty or broken; the partition stays as it was.
        """
        from abflow.engine.unit_day import UnitDay, build_unit_day, inputs_of

        exposures, outcomes = self.log("exposures", day), self.log("outcomes", day)
        known = self.store.find(_manifest(day), UnitDay)
        if known and known.inputs == inputs_of(self.spec, exposures, outcomes) and self._has_files(known):
            return known

        def build(folder: Path) -> UnitDay:
            made = build_unit_day(
                self.spec,
                exposures,
                outcomes,
                folder,
                resources=self.settings.resources,
            )
            period = self.calendar.period_of(day)
            if made.exposures == 0 and period and day < period.enroll_end:
                raise DataError(
                    f"log 'exposures', day {day}: {exposures.folder} has no exposure of {self.spec.experiment} "
                    f"({made.exposure_rows} rows of others), although units enter the {period.phase} phase on this "
                    "day; write the day again, then run it again"
                )
            return made

        return self.store.commit_partition(day, build)

    def manifest(self, day: date) -> UnitDay:
        """The manifest of a day that was aggregated.

        Raises:
            EvidenceMissing: It was not.
        """
        from abflow.engine.unit_day import UnitDay

        return self.store.get(_manifest(day), UnitDay, step=f"{Step.AGGREGATE_DAY} on {day}")

    def partitions(self, period: Period, through: date) -> tuple[list[UnitDay], list[Partition]]:
        """Manifests and files of a phase's days so far."""
        manifests = [self.manifest(day) for day in period.days_through(through)]
        return manifests, [self._files(manifest) for manifest in manifests]

    def _files(self, manifest: UnitDay) -> Partition:
        from abflow.engine.population import Partition

        folder = self.store.partition_folder(manifest.day)
        partition = Partition(units=folder / manifest.units_file, events=folder / manifest.events_file)
        for file in (partition.units, partition.events):
            if not file.exists():
                raise EvidenceMissing(f"{file} is gone; run {Step.AGGREGATE_DAY} on {manifest.day} again")
        return partition

    def _has_files(self, manifest: UnitDay) -> bool:
        folder = self.store.partition_folder(manifest.day)
        return all((folder / name).exists() for name in (manifest.units_file, manifest.events_file))


def open_bench(experiment: str, settings: Settings) -> Bench:
    """Load an experiment by its name, or by the path of its file.

    Raises:
        SpecError: There is no such experiment, or its file is not valid.
    """
    path = Path(experiment)
    file = path if path.suffix in (".yaml", ".yml") else settings.experiment_file(experiment)
    return Bench(load_experiment(file), settings)


def _manifest(day: date) -> str:
    return f"unit_day/date={day}/manifest"
