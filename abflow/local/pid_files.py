"""Pid files: what a program that died leaves to the next one, so that it can clean up."""

from __future__ import annotations

from pathlib import Path

from abflow.local.processes import ServerRecord, end_servers


def stop_left_over(home: Path) -> int:
    """End the servers of an earlier or still running platform in this folder; answers how many processes.

    Args:
        home: The folder that the platform was started over.
    """
    folder = pid_folder(home)
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    records = [ServerRecord.from_line(file.read_text()) for file in files]
    # Removed first: the program that started the servers, if it still waits for them, sees by this
    # that they were ended on purpose.
    for file in files:
        file.unlink(missing_ok=True)
    return end_servers(records)


def pid_folder(home: Path) -> Path:
    """Where the pid files of a platform are."""
    return home / "pids"


def write_pid_file(home: Path, record: ServerRecord) -> None:
    """Note a server that was just started."""
    file = _pid_file(home, record)
    draft = file.with_suffix(".draft")
    draft.write_text(record.line)
    draft.replace(file)


def remove_pid_file(home: Path, record: ServerRecord) -> None:
    """Forget a server that was ended, unless the file is about a later one."""
    if is_noted(home, record):
        _pid_file(home, record).unlink(missing_ok=True)


def is_noted(home: Path, record: ServerRecord) -> bool:
    """Whether the pid file of a server is still its own."""
    file = _pid_file(home, record)
    return file.is_file() and ServerRecord.from_line(file.read_text()) == record


def _pid_file(home: Path, record: ServerRecord) -> Path:
    return pid_folder(home) / f"{record.name}.json"
