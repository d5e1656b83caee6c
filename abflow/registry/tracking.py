"""One MLflow run per experiment: its blueprint, its daily health and its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Any

from abflow.registry.mlflow_client import mlflow_client, mlflow_errors

EXPERIMENT_TAG = "abflow.experiment"
ALARM_TAG = "abflow.alarm"


@dataclass(frozen=True)
class MlflowTracking:
    """The run of one experiment; every call may be repeated and leaves the same."""

    tracking_uri: str
    mlflow_experiment: str
    experiment: str

    def blueprint(self, tags: Mapping[str, str], blueprint: str) -> None:
        """Write what the experiment is: tags to search by, and the whole as an artifact."""
        with mlflow_errors(self.tracking_uri, f"writing the blueprint of {self.experiment!r}"):
            for key, value in sorted(tags.items()):
                self._tag(f"abflow.{key}", value)
            self._client.log_text(self._run_id, blueprint, "blueprint.json")

    def health(self, day: date, step: int, metrics: Mapping[str, float]) -> None:
        """Write one day's health as metrics.

        The time is the day's, so that writing a day again finds the same row and adds none.
        """
        at = datetime.combine(day, time(), tzinfo=UTC)
        self._log({f"health/{name}": value for name, value in metrics.items()}, step, at)

    def cost(self, lifecycle_step: str, step: int, metrics: Mapping[str, float], *, at: datetime) -> None:
        """Write what a step of one day cost; done again, it costs again, which is a value of its own."""
        self._log({f"cost/{lifecycle_step}/{name}": value for name, value in metrics.items()}, step, at)

    def _log(self, metrics: Mapping[str, float], step: int, at: datetime) -> None:
        from mlflow.entities import Metric

        when = int(at.timestamp() * 1000)
        with mlflow_errors(self.tracking_uri, f"writing metrics of {self.experiment!r}"):
            values = [Metric(name, value, when, step) for name, value in sorted(metrics.items())]
            self._client.log_batch(self._run_id, metrics=values)

    def alarm(self, sentence: str) -> None:
        """Write on the run what restated days have changed; nothing takes an earlier alarm back."""
        with mlflow_errors(self.tracking_uri, f"writing the alarm of {self.experiment!r}"):
            if sentence:
                self._tag(ALARM_TAG, sentence)
            elif ALARM_TAG in self._client.get_run(self._run_id).data.tags:
                self._client.delete_tag(self._run_id, ALARM_TAG)

    def evidence(self, name: str, text: str) -> None:
        """Write a piece of evidence, such as the readout, as an artifact."""
        with mlflow_errors(self.tracking_uri, f"writing {name} of {self.experiment!r}"):
            self._client.log_text(self._run_id, text, name)

    def finish(self, tags: Mapping[str, str]) -> None:
        """Write the end of the experiment and close its run."""
        with mlflow_errors(self.tracking_uri, f"closing the run of {self.experiment!r}"):
            for key, value in sorted(tags.items()):
                self._tag(f"abflow.{key}", value)
            self._client.set_terminated(self._run_id)

    def _tag(self, key: str, value: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.set_tag(self._run_id, key, value[:5000])
        except MlflowException as error:  # another task of the day wrote the same new tag at the same moment
            if "IntegrityError" not in str(error):
                raise
            self._client.set_tag(self._run_id, key, value[:5000])

    @property
    def run_id(self) -> str:
        """The id of the experiment's run."""
        with mlflow_errors(self.tracking_uri, f"finding the run of {self.experiment!r}"):
            return self._run_id

    @cached_property
    def _run_id(self) -> str:
        experiment_id = self._mlflow_experiment_id()
        found = self._client.search_runs(
            [experiment_id],
            filter_string=f"tags.`{EXPERIMENT_TAG}` = '{self.experiment}'",
            order_by=["attributes.start_time ASC"],
            max_results=1,
        )
        if found:
            return str(found[0].info.run_id)
        run = self._client.create_run(experiment_id, run_name=self.experiment, tags={EXPERIMENT_TAG: self.experiment})
        return str(run.info.run_id)

    def _mlflow_experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException

        known = self._client.get_experiment_by_name(self.mlflow_experiment)
        if known:
            return str(known.experiment_id)
        try:
            return str(self._client.create_experiment(self.mlflow_experiment))
        except MlflowException as error:  # another experiment's first day created it at the same moment
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(self._client.get_experiment_by_name(self.mlflow_experiment).experiment_id)

    @cached_property
    def _client(self) -> Any:
        return mlflow_client(self.tracking_uri)
