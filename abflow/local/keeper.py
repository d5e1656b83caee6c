"""The keeper: a small process that ends the servers when the program that started them is gone.

It reads one line about each server from its standard input. That pipe closes when the program closes it
or dies in any way, SIGKILL included, on every system that Airflow runs on; then the keeper does its work.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from abflow.local.processes import ServerRecord, end_servers


@dataclass(frozen=True, slots=True)
class Keeper:
    """The keeper, as the program that started it sees it."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls) -> Keeper:
        """Start a keeper that has nothing to look after yet."""
        command = [sys.executable, "-m", "abflow.local.keeper"]
        return cls(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True))

    def look_after(self, record: ServerRecord) -> None:
        """Tell the keeper of one more server."""
        pipe = self.process.stdin
        assert pipe is not None  # noqa: S101  # opened above
        pipe.write(f"{record.line}\n".encode())
        pipe.flush()

    def dismiss(self) -> None:
        """Let the keeper end what is still there, and leave."""
        self.process.communicate()


def keep(lines: Iterable[str]) -> None:
    """Read lines to their end, then end the servers they are about."""
    end_servers([ServerRecord.from_line(line) for line in lines])


if __name__ == "__main__":
    keep(sys.stdin)
