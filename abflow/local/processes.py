"""Servers that a later program can find again, and end without orphans and without harming strangers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from abflow.errors import SettingsError

# The clock may be set between two readings of one start time; no process number comes round this soon.
CLOCK_SLACK = 2.0

# Within a second or two the servers have closed what they hold; the rest is taking down their interpreters.
# A scheduler with running tasks would wait for those.
GRACE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """What tells one server from every other process, also after its number was given away again."""

    name: str
    pid: int
    created: float
    executable: str

    @property
    def line(self) -> str:
        """The record as one line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> ServerRecord:
        """The record that one line of text describes."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that this program started."""

    record: ServerRecord
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def exit_code(self) -> int | None:
        """How the server ended, or None while it runs; a signal is a negative number."""
        return self.process.poll()

    def last_words(self, lines: int = 25) -> str:
        """The end of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def start_server(
    name: str, command: Sequence[str], *, folder: Path, log: Path, environment: Mapping[str, str]
) -> Server:
    """Start a command as the leader of a session of its own, with its output in a file.

    A session of its own keeps Ctrl-C in the terminal from reaching the server before we can end it in
    order, and marks everything that the server starts in turn.
    """
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except FileNotFoundError as missing:
        raise SettingsError(
            f"the command {command[0]!r} is not installed beside the Python that runs abflow; "
            "install abflow with its dependencies into this environment"
        ) from missing
    record = ServerRecord(
        name=name,
        pid=process.pid,
        created=psutil.Process(process.pid).create_time(),
        executable=psutil.Process().exe(),
    )
    return Server(record=record, process=process, log=log)


def end_servers(records: Iterable[ServerRecord], *, grace: float = GRACE) -> int:
    """End servers and everything they started, politely first; answers how many processes there were."""
    records = tuple(records)
    found = _members(records)
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(found, timeout=grace)
    # What was started while the others were leaving is in the same sessions.
    stubborn += _members(records)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=grace)
    return len(found)


def _members(records: Sequence[ServerRecord]) -> list[psutil.Process]:
    """Every living process that belongs to one of the servers."""
    sessions = {record.pid: record for record in records if not _number_was_given_away(record)}
    if not sessions:
        return []
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            record = sessions.get(os.getsid(process.pid))
            if record and _belongs(process, record):
                found |= {process.pid: process}
                found |= {child.pid: child for child in process.children(recursive=True)}
    return list(found.values())


def _number_was_given_away(record: ServerRecord) -> bool:
    # A kernel gives no number away while a session still carries it: with a stranger behind the number,
    # nothing of ours is left.
    try:
        return abs(psutil.Process(record.pid).create_time() - record.created) > CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False


def _belongs(process: psutil.Process, record: ServerRecord) -> bool:
    """Whether a process in a session of the right number is ours, even if the server itself is dead."""
    return (
        process.status() != psutil.STATUS_ZOMBIE
        and process.create_time() > record.created - CLOCK_SLACK
        and process.exe() == record.executable
    )
