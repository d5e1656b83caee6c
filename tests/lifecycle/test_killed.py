"""A process killed half-way, at any moment, and run again leaves the same bytes as one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lifecycle.world import BETTER, World, world_at

RUN = "from abflow.cli import main; main()"


def start(world: World) -> subprocess.Popen[bytes]:
    environment = os.environ | {"ABFLOW_ROOT": str(world.root), "MLFLOW_TRACKING_URI": world.tracking_uri}
    return subprocess.Popen(
        [sys.executable, "-c", RUN, "run", world.plain["experiment"]],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def files(world: World) -> int:
    return sum(1 for path in world.bench().store.folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_killed_at_several_moments_and_run_again(tmp_path: Path, registry_template: Path) -> None:
    whole = world_at(tmp_path / "whole", registry_template, BETTER)
    assert start(whole).wait() == 0
    killed = world_at(tmp_path / "killed", registry_template, BETTER)
    complete = files(whole)
    for share in (0.15, 0.5, 0.8):  # in the middle of aggregation, of health, near the end
        process = start(killed)
        while process.poll() is None and files(killed) < share * complete:
            time.sleep(0.01)
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert killed.aliases()["champion"] == "1"
    last = start(killed)
    assert last.wait() == 0, last.stderr and last.stderr.read().decode()
    assert killed.store_bytes() == whole.store_bytes()
    assert killed.aliases() == whole.aliases() == {"champion": "2", "previous_champion": "1", "challenger": "2"}
    assert [entry.kind for entry in killed.bench().ledger.entries()] == ["verdict", "promoted"]
