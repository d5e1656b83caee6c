"""One piece of work in a process of its own: its result, its time and its peak memory."""

from __future__ import annotations

import importlib
import multiprocessing
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run took; imports are not timed.

    Attributes:
        seconds: By the clock on the wall.
        cpu_seconds: Of all threads together; other work on the machine changes these least.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    result: Any


def run(module: str, function: str, *arguments: Any) -> Run:
    """Call a function of a module in a new process.

    Raises:
        SystemExit: The process died, or the function raised.
    """
    # Forked children would begin with this process's memory.
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe(duplex=False)
    process = processes.Process(target=_work, args=(theirs, module, function, arguments))
    process.start()
    theirs.close()
    try:
        found: Run = ours.recv()
    except EOFError:
        process.join()
        why = "was killed; the machine has too little memory" if process.exitcode == -9 else "failed"
        raise SystemExit(f"{module}.{function} {why} (exit code {process.exitcode})") from None
    process.join()
    sys.stderr.write(f"{module}.{function}: {found.seconds:.1f} s, {found.cpu_seconds:.1f} CPU s\n")
    return found


def _work(parent: Connection, module: str, function: str, arguments: tuple[Any, ...]) -> None:
    called = getattr(importlib.import_module(module), function)
    began, cpu_began = time.perf_counter(), time.process_time()
    result = called(*arguments)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    parent.send(Run(seconds=seconds, cpu_seconds=cpu_seconds, peak_mb=_peak_mb(), result=result))


def _peak_mb() -> float:
    """The most memory that this process has held, and its parent had when it began."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


@dataclass(frozen=True, slots=True)
class Runs:
    """Several runs of the same work."""

    each: list[Run]

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(run.seconds for run in self.each)

    @property
    def cpu_seconds(self) -> float:
        """The median."""
        return statistics.median(run.cpu_seconds for run in self.each)

    @property
    def peak_mb(self) -> float:
        """The largest."""
        return max(run.peak_mb for run in self.each)

    def over(self, other: Runs) -> float:
        """How many times as long as other work that took turns with this: the median over the turns."""
        pairs = zip(self.each, other.each, strict=True)
        return statistics.median(mine.seconds / theirs.seconds for mine, theirs in pairs)

    def cpu_over(self, other: Runs) -> float:
        """How many times the CPU seconds of work that ran at another time: the ratio of the medians."""
        return self.cpu_seconds / other.cpu_seconds
