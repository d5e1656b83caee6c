"""A Spark in the process of the tests, set up for tables of ten rows."""

from __future__ import annotations

import os
import shutil
from functools import cache

import pytest

from abflow.engine.spark.session import new_session

MASTER = "local[2]"
# Compiling a query takes longer than running it on ten rows.
_QUICK = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


@cache
def spark_master() -> str:
    """Where Spark runs; it is started at the first call."""
    require_java()
    from pyspark.sql import SparkSession  # noqa: PLC0415  takes seconds, and only some tests ask

    builder = SparkSession.builder.master(MASTER)
    for name, value in _QUICK.items():
        builder = builder.config(name, value)
    builder.getOrCreate()
    new_session(MASTER)
    return MASTER


def require_java() -> None:
    """Leave a test out where Spark cannot start."""
    if shutil.which("java") is None and "CI" not in os.environ:
        pytest.skip("there is no Java on this machine; in CI these tests run in any case")
