"""Where things are: read once, at the edge, from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from abflow.errors import SettingsError
from abflow.logs.resources import Resources


class Settings(BaseSettings):
    """Everything abflow takes from its surroundings; each field is an `ABFLOW_<NAME>` variable."""

    model_config = SettingsConfigDict(frozen=True, env_prefix="ABFLOW_", extra="ignore", populate_by_name=True)

    root: Path = Field(default_factory=Path.cwd, description="Relative paths in experiment files start here.")
    experiments: Path | None = Field(default=None, description="Experiment files; root/dags/experiments.")
    store: Path | None = Field(default=None, description="Where values rest; root/data/store.")
    ledger: Path | None = Field(default=None, description="The chain of decisions; root/data/ledger.jsonl.")
    mlflow_tracking_uri: str | None = Field(
        default=None,
        validation_alias=AliasChoices("ABFLOW_MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_URI"),
        description="Where MLflow answers; also read from MLFLOW_TRACKING_URI.",
    )
    mlflow_experiment: str = Field(default="abflow", description="The MLflow experiment that holds the runs.")
    threads: int | None = Field(default=None, ge=1, description="DuckDB's threads; default: every core.")
    memory_limit: str | None = Field(default=None, description="DuckDB's memory limit, such as 4GB.")
    builds_at_once: int = Field(default=2, ge=1, description="Partitions that a run of Airflow builds side by side.")
    spill: Path | None = Field(default=None, description="Where DuckDB puts rows that do not fit into memory.")
    spark_master: str | None = Field(default=None, description="Where Spark runs; default: in this process.")

    @property
    def experiments_folder(self) -> Path:
        """The folder of experiment files."""
        return self.root / (self.experiments or Path("dags/experiments"))

    @property
    def store_folder(self) -> Path:
        """The folder of the store."""
        return self.root / (self.store or Path("data/store"))

    @property
    def ledger_file(self) -> Path:
        """The file of the ledger."""
        return self.root / (self.ledger or Path("data/ledger.jsonl"))

    @property
    def resources(self) -> Resources:
        """What DuckDB may take of the machine, and where Spark is."""
        spill = None if self.spill is None else self.root / self.spill
        return Resources(
            threads=self.threads, memory_limit=self.memory_limit, spill_folder=spill, spark_master=self.spark_master
        )

    def experiment_file(self, name: str) -> Path:
        """The file that describes an experiment."""
        return self.experiments_folder / f"{name}.yaml"


def load_settings(**overrides: object) -> Settings:
    """Read the settings; the only place that looks at the environment.

    Args:
        overrides: Values that go before the environment, such as those of an Airflow connection.

    Raises:
        SettingsError: A variable cannot be understood.
    """
    try:
        settings = Settings.model_validate(overrides)  # what is not given comes from the environment
    except ValidationError as error:
        problems = "; ".join(f"{item['loc'][0]}={item['input']!r}: {item['msg']}" for item in error.errors())
        raise SettingsError(f"the settings (ABFLOW_...) cannot be understood: {problems}") from error
    return settings.model_copy(update={"root": settings.root.resolve()})
