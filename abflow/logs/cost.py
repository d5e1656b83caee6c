"""What a step costs: rows and bytes that it read, how long it took, and the most memory that its process held."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a piece of work cost.

    Attributes:
        rows: Rows of the logs and partitions that were opened.
        bytes: Size of their files; of a Parquet file only the columns that are needed are read.
        seconds: By the clock on the wall.
        peak_memory: The most bytes of memory that the process held meanwhile, Python and its libraries included.
    """

    rows: int
    bytes: int
    seconds: float
    peak_memory: int

    def __str__(self) -> str:
        return (
            f"read {self.rows:,} rows from {self.bytes / 1e6:,.1f} MB of files in {self.seconds:.2f} s, "
            f"with at most {self.peak_memory / 1e6:,.0f} MB of memory"
        )


class Meter:
    """Counts what is read while a step is done."""

    def __init__(self) -> None:
        self._rows = self._bytes = 0
        self._began = time.perf_counter()
        _forget_peak()

    def add(self, *, rows: int, size: int) -> None:
        """Add what was read."""
        self._rows += rows
        self._bytes += size

    def cost(self) -> Cost:
        """What it comes to by now."""
        seconds = time.perf_counter() - self._began
        return Cost(rows=self._rows, bytes=self._bytes, seconds=seconds, peak_memory=_peak())


# Whoever opens a file tells the step that runs now, and no function between the two has to know of it.
_running: ContextVar[Meter | None] = ContextVar("running", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what is read in this block."""
    meter = Meter()
    token = _running.set(meter)
    try:
        yield meter
    finally:
        _running.reset(token)


def count_read(*, rows: int = 0, size: int = 0) -> None:
    """Say that rows, or files of this size, were read; where nobody counts, nothing happens."""
    meter = _running.get()
    if meter:
        meter.add(rows=rows, size=size)


def _forget_peak() -> None:
    """Let Linux begin anew with the highest memory of this process; elsewhere it is that of its whole life."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
