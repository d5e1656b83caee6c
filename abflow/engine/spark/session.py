"""A Spark session that reads times, numbers and texts as the engine's SQL means them."""

from __future__ import annotations

import os
import shutil
import warnings
from typing import TYPE_CHECKING

from abflow.errors import SettingsError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What a statement means must not depend on how a cluster was set up.
_MEANING = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.enforceReservedKeywords": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.groupByAliases": "true",
    "spark.sql.variable.substitute": "false",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    # pandas counts in nanoseconds, which Spark has no type for; as whole numbers they are read like any other epoch.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    # A column that no query asks for may still be what makes a line of a CSV file too short.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
}


def new_session(master: str) -> SparkSession:
    """A session of its own on the Spark of this process, which is started when there is none yet.

    Args:
        master: Where Spark runs, such as local[4], spark://host:7077, yarn or k8s://https://host.

    Raises:
        SettingsError: PySpark or Java is not there, Spark does not start, or it runs somewhere else already.
    """
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # about a pandas that is newer than PySpark; nothing here uses it
        try:
            from pyspark.errors import PySparkException  # noqa: PLC0415  takes seconds; only this engine needs it
            from pyspark.sql import SparkSession  # noqa: PLC0415  see above
        except ImportError as error:
            raise SettingsError(
                "engine: spark needs PySpark, which is not installed; install 'abflow[spark]'"
            ) from error
    _require_java()
    builder = SparkSession.builder.master(master).appName("abflow")
    for name, value in {
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        **({"spark.ui.enabled": "false"} if master.startswith("local") else {}),
    }.items():
        builder = builder.config(name, value)
    try:
        running = builder.getOrCreate()
    except (PySparkException, OSError) as error:
        raise SettingsError(f"Spark does not start at {master} (ABFLOW_SPARK_MASTER): {error}") from error
    if running.sparkContext.master != master:
        raise SettingsError(
            f"Spark runs at {running.sparkContext.master} in this process already, and not at {master} "
            "(ABFLOW_SPARK_MASTER); use one of them"
        )
    session = running.newSession()
    for name, value in _MEANING.items():
        session.conf.set(name, value)
    if master.startswith("local"):
        session.conf.set("spark.sql.shuffle.partitions", str(running.sparkContext.defaultParallelism))
    return session


def _require_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if shutil.which(f"{home}/bin/java" if home else "java") is None:
        where = f"JAVA_HOME is {home}, and there is no bin/java in it" if home else "there is no java"
        raise SettingsError(f"engine: spark needs Java 17 or newer, and {where}; install it, or set JAVA_HOME")
