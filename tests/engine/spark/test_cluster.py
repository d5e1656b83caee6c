"""A cluster named by its master's URL: a master and a worker of Spark's own, each a process, as elsewhere a machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from abflow.engine.exposure_day import build_exposure_day
from abflow.local.ports import HOST, free_port
from abflow.logs.layout import day_log
from abflow.logs.resources import Resources
from tests.engine.small_logs import START, at, experiment, exposure, write_log
from tests.local_spark import require_java

SECONDS = 400  # four Java processes start, which takes ten seconds where nothing else runs
# What docs/guides/spark.md says of the rest of a cluster: it is set where Spark looks for it.
DEFAULTS = """
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.executor.memory 512m
spark.sql.shuffle.partitions 1
spark.sql.codegen.wholeStage false
"""
BUILD = """
import sys
from pathlib import Path
from abflow.engine.exposure_day import build_exposure_day
from abflow.logs.layout import day_log
from abflow.logs.resources import Resources
from tests.engine.small_logs import START, experiment

master, logs, folder = sys.argv[1:]
spec = experiment().model_copy(update={"engine": "spark"})
log = day_log("exposures", Path(logs), START)
build_exposure_day(spec, log, Path(folder), resources=Resources(spark_master=master))
"""


@pytest.mark.slow
def test_a_cluster_builds_the_partition_that_duckdb_builds(tmp_path: Path) -> None:
    require_java()
    rows = [exposure(f"u{n % 7}", "ab"[n % 7 % 2], at(0, n / 2), request_id=f"r{n % 19}") for n in range(24)]
    logs = write_log(tmp_path / "logs", {START: rows}, kind="parquet")
    folders = alone, spread = tmp_path / "alone", tmp_path / "spread"
    for folder in folders:
        folder.mkdir()
    build_exposure_day(experiment(), day_log("exposures", logs, START), alone, resources=Resources(threads=1))
    with cluster(tmp_path / "cluster") as master:
        command = [sys.executable, "-c", BUILD, master, str(logs), str(spread)]
        settings = os.environ | {"SPARK_CONF_DIR": str(tmp_path / "cluster" / "conf")}
        done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stderr
    assert list((tmp_path / "cluster" / "work").glob("app-*/0/stderr")), "an executor of the worker did it"
    with duckdb.connect() as db:
        units = [db.execute(f"from '{folder}/units-*.parquet' order by unit_id").fetchall() for folder in folders]
    assert units[0] == units[1]
    assert len(units[0]) == 7


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A master and a worker with one core; the address is that of the master."""
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "spark-defaults.conf").write_text(DEFAULTS)
    port = free_port(0)
    master = f"spark://{HOST}:{port}"
    listens = ["--host", HOST, "--port", str(port), "--webui-port", "0"]
    works = ["--host", HOST, "--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", str(folder / "work")]
    with running(folder, "master.Master", *listens):
        wait_for(port)
        with running(folder, "worker.Worker", *works, master):
            yield master


@contextmanager
def running(folder: Path, role: str, *given: str) -> Iterator[None]:
    import pyspark  # noqa: PLC0415  takes seconds, and only this test asks

    home = Path(pyspark.__file__).parent
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{role}", *given]
    settings = os.environ | {"SPARK_HOME": str(home), "SPARK_CONF_DIR": str(folder / "conf")}
    with (folder / f"{role}.log").open("w") as log:
        process = subprocess.Popen(command, env=settings, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(SECONDS)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens at {HOST}:{port}")
