"""What carries out an experiment's statements: DuckDB in this process, or Spark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from abflow.logs.database import Database
from abflow.logs.resources import Resources, connection
from abflow.spec.experiment import ExperimentSpec


@contextmanager
def database(spec: ExperimentSpec, resources: Resources) -> Iterator[Database]:
    """What the experiment's `engine` names, with nothing in it yet.

    Raises:
        SettingsError: Spark is asked for, and it is not there or does not start.
    """
    if spec.engine == "spark":
        # Nothing of PySpark is imported before somebody asks for it.
        from abflow.engine.spark.session import new_session  # noqa: PLC0415  see above

        session = new_session(resources.spark_master or f"local[{resources.threads or '*'}]")
        from abflow.engine.spark.database import SparkDatabase  # noqa: PLC0415  see above

        yield SparkDatabase(session)
    else:
        with connection(resources) as opened:
            yield opened
