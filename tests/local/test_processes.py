"""Ending servers: ours all of them, others' none."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from abflow.errors import SettingsError
from abflow.local.pid_files import is_noted, pid_folder, remove_pid_file, stop_left_over, write_pid_file
from abflow.local.processes import Server, ServerRecord, end_servers, start_server

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
child.wait()
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
POLITE = """
import signal, sys, time

def leave(*_):
    time.sleep(0.5)
    print("everything is put away", flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """Starts a Python program as a server and waits for its first line."""
    started: list[Server] = []

    def start_program(program: str) -> Server:
        server = start_server(
            f"server-{len(started)}",
            (sys.executable, "-c", program),
            folder=tmp_path,
            log=tmp_path / f"{len(started)}.log",
            environment=dict(os.environ),
        )
        started.append(server)
        wait_until(lambda: bool(server.log.read_text()))
        return server

    yield start_program
    for server in started:
        server.process.kill()
        server.process.wait()


def wait_until(happened: Callable[[], bool], timeout: float = 15) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_server_ends_with_everything_it_started(start: Callable[[str], Server]) -> None:
    server = start(PARENT)
    child = int(server.log.read_text())
    assert end_servers([server.record]) == 2
    assert not is_alive(server.record.pid)
    assert not is_alive(child)


def test_children_of_a_server_that_was_killed_are_found(start: Callable[[str], Server]) -> None:
    server = start(PARENT)
    child = int(server.log.read_text())
    server.process.kill()
    server.process.wait()
    assert is_alive(child)
    assert end_servers([server.record]) == 1
    assert not is_alive(child)


def test_a_server_that_does_not_listen_is_killed_after_the_grace_time(start: Callable[[str], Server]) -> None:
    server = start(STUBBORN)
    end_servers([server.record], grace=0.3)
    assert not is_alive(server.record.pid)


def test_a_server_is_given_the_time_to_leave_in_order(start: Callable[[str], Server]) -> None:
    server = start(POLITE)
    end_servers([server.record])
    assert server.last_words(1) == "everything is put away"


def test_a_stranger_with_the_same_number_is_left_alone(start: Callable[[str], Server], tmp_path: Path) -> None:
    stranger = start(PARENT)
    write_pid_file_of(tmp_path, dataclasses.replace(stranger.record, created=stranger.record.created - 3600))
    assert stop_left_over(tmp_path) == 0
    assert stranger.exit_code is None


def test_what_is_left_over_is_ended_once(start: Callable[[str], Server], tmp_path: Path) -> None:
    server = start(PARENT)
    write_pid_file_of(tmp_path, server.record)
    assert stop_left_over(tmp_path) == 2
    assert stop_left_over(tmp_path) == 0
    assert not is_alive(server.record.pid)


def write_pid_file_of(home: Path, record: ServerRecord) -> None:
    pid_folder(home).mkdir(exist_ok=True)
    write_pid_file(home, record)


def test_a_folder_without_a_platform_has_nothing_left_over(tmp_path: Path) -> None:
    assert stop_left_over(tmp_path / "never-there") == 0


def test_a_pid_file_of_a_later_server_is_not_removed(start: Callable[[str], Server], tmp_path: Path) -> None:
    later = start(PARENT).record
    earlier = dataclasses.replace(later, pid=later.pid + 1)
    write_pid_file_of(tmp_path, later)
    remove_pid_file(tmp_path, earlier)
    assert is_noted(tmp_path, later)
    remove_pid_file(tmp_path, later)
    assert not is_noted(tmp_path, later)


def test_a_record_survives_being_written_down(start: Callable[[str], Server]) -> None:
    record = start(PARENT).record
    assert ServerRecord.from_line(record.line) == record


def test_a_command_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'no-such-server' is not installed"):
        start_server(
            "none",
            ("no-such-server",),
            folder=tmp_path,
            log=tmp_path / "none.log",
            environment=dict(os.environ),
        )


STARTER = """
import os, sys, time
from pathlib import Path
from abflow.local.keeper import Keeper
from abflow.local.processes import start_server

keeper = Keeper.start()
folder = Path(sys.argv[1])
command = (sys.executable, "-c", "import time; time.sleep(60)")
server = start_server("kept", command, folder=folder, log=folder / "kept.log", environment=dict(os.environ))
keeper.look_after(server.record)
print(server.record.pid, flush=True)
time.sleep(60)
"""


def test_no_server_outlives_a_program_that_was_killed(tmp_path: Path) -> None:
    command = (sys.executable, "-c", STARTER, str(tmp_path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        server = int(starter.stdout.readline())
        assert is_alive(server)
        starter.kill()
        wait_until(lambda: not is_alive(server))
