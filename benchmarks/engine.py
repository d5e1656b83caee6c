"""How fast a day and a horizon are, beside the bare DuckDB query and what one would write without abflow.

Run it with `python benchmarks/engine.py`, or a part of it with `python benchmarks/engine.py day growth memory`. Every
run is a process of its own, contenders take turns, the table shows medians of their seconds, the largest peak of their
memory and medians of the ratios within a turn. Whoever gives other moments than the bare query stops the benchmark.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engine_data import Logs, Size
from engine_moments import require_same
from engine_runs import Run, Runs, run

STEPS = ("build", "roll", "health", "horizon")  # functions of engine_abflow
PEERS = {"Polars": "engine_polars", "tea-tasting": "engine_tea_tasting", "pandas": "engine_pandas"}

HEADER = f"{'':>16} {'seconds':>9} {'CPU s':>9} {'peak MB':>9}"


@dataclass(frozen=True, slots=True)
class Target:
    """What was found, and what it should be."""

    what: str
    found: float
    bound: Literal["at most", "at least"]
    limit: float

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.found <= self.limit if self.bound == "at most" else self.found >= self.limit


def main() -> None:
    """Print times, memory and ratios, and the targets beside them."""
    asked = _asked()
    size = Size(exposures=asked.exposures, users=asked.users, outcomes=asked.outcomes, ids=asked.ids)
    _say(f"{os.cpu_count()} cores, {asked.repeats} repeats, a load of {os.getloadavg()[0]:.1f} before the first")
    targets: list[Target] = []
    if "day" in asked.parts:
        targets += _day(asked.data, size, asked.repeats)
    if "growth" in asked.parts:
        targets += _growth(asked.data, size, asked.days, asked.repeats)
    if "memory" in asked.parts:
        scale = asked.large / size.exposures
        large = replace(
            size, exposures=asked.large, users=round(size.users * scale), outcomes=round(size.outcomes * scale)
        )
        targets += _memory(asked.data, large, asked.memory_limit)
    _say("\ntargets")
    for target in targets:
        bound = f"{target.bound} {target.limit:,.1f}"
        _say(f"{target.what:>44}: {target.found:9,.2f}   {bound:<16} {'met' if target.met else 'MISSED'}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], "day", "growth", "memory"], help="default: all three")
    parser.add_argument("--exposures", type=int, default=20_000_000, help="of each day")
    parser.add_argument("--users", type=int, default=2_000_000, help="of each day; they come back every day")
    parser.add_argument("--outcomes", type=int, default=5_000_000, help="of each day")
    parser.add_argument("--ids", action="store_true", help="rows carry ids, and some stand in the log twice")
    parser.add_argument("--days", type=int, default=28, help="the longer horizon; the shorter one is half of it")
    parser.add_argument(
        "--large", type=int, default=100_000_000, help="exposures of the day that memory is measured on"
    )
    parser.add_argument("--memory-limit", default="3GB", help="what DuckDB may take of that day")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--data", type=Path, default=Path(tempfile.gettempdir()) / "abflow-benchmark", help="logs are kept here"
    )
    asked = parser.parse_args()
    asked.parts = asked.parts or ["day", "growth", "memory"]
    if asked.days < 6 or asked.days % 2:
        parser.error(f"--days {asked.days}: give an even number from 6")
    return asked


def _day(data: Path, size: Size, repeats: int) -> list[Target]:
    """abflow, the floor and the peers on the first day."""
    logs = _logs(data, size, 1)
    contenders = {"floor": "engine_floor", "floor that keeps": "engine_kept", "abflow": "engine_abflow", **PEERS}
    taken: dict[str, list[Run]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, module in contenders.items():
            taken[name].append(run(module, "moments", logs))
            require_same(name, taken[name][-1].result, taken["floor"][0].result)
    runs = {name: Runs(each) for name, each in taken.items()}
    _say(f"\nthe day: {size}\n{HEADER} {'/ floor':>9} {'/ abflow':>9}")
    for name, found in runs.items():
        _say(f"{_row(name, found)} {found.over(runs['floor']):9.2f} {found.over(runs['abflow']):9.2f}")
    targets = [
        Target(f"the day, abflow / {floor}", runs["abflow"].over(runs[floor]), "at most", 1.3)
        for floor in ("floor", "floor that keeps")
    ]
    for name in PEERS:
        ratio = runs[name].over(runs["abflow"])
        targets.append(Target(f"the day, {name} / abflow", ratio, "at least", 8 if name == "pandas" else 1))
    return targets


def _growth(data: Path, size: Size, days: int, repeats: int) -> list[Target]:
    """Days of a long experiment: what the first ones, half of them and all of them cost."""
    logs = _logs(data, size, days)
    looks = (2, days // 2, days)
    taken: dict[tuple[str, int], list[Run]] = {(step, number): [] for step in STEPS for number in looks}
    with tempfile.TemporaryDirectory(dir=logs.folder) as name:
        folder = Path(name)
        for number in range(1, days + 1):
            if number in looks:
                _copy(folder / "store", folder / f"before-{number}")
            for step in ("build", "roll"):
                run("engine_abflow", step, logs, folder / "store", number)
        for _ in range(repeats):
            for number in looks:
                _copy(folder / f"before-{number}", folder / "copy")
                for step in STEPS:
                    taken[step, number].append(run("engine_abflow", step, logs, folder / "copy", number))
                shutil.rmtree(folder / "copy")
    if not size.ids:  # counting every id of many days once is more than the bare query can hold
        for number in looks:
            floor = run("engine_floor", "moments", logs, number)
            taken["floor", number] = [floor]
            for each in taken["horizon", number]:
                require_same(f"abflow's horizon of {number} days", each.result, floor.result)
    runs = {key: Runs(each) for key, each in taken.items()}
    _say(f"\ngrowth, on each day {size}\n{HEADER} {'/ day 2':>9} {'CPU ratio':>10}")
    for (step, number), found in runs.items():
        first = runs[step, 2]
        _say(f"{_row(f'{step}, day {number}', found)} {found.over(first):9.2f} {found.cpu_over(first):10.2f}")

    def grown(step: str, since: int) -> float:
        return runs[step, days].cpu_over(runs[step, since])  # the days lie minutes apart

    half = days // 2
    return [
        Target(f"build, CPU of day {days} / day 2", grown("build", 2), "at most", 1.1),
        Target(f"roll, CPU of day {days} / day 2, same users", grown("roll", 2), "at most", 1.5),
        Target(f"health, CPU of day {days} / day 2, same users", grown("health", 2), "at most", 1.5),
        Target(f"horizon, CPU of {days} days / {half} days", grown("horizon", half), "at most", 2.2),
    ]


def _memory(data: Path, size: Size, memory_limit: str) -> list[Target]:
    """The first day of much larger logs, when DuckDB may not take all memory."""
    logs = _logs(data, size, 1)
    floor = run("engine_floor", "moments", logs, 1, memory_limit)
    abflow = run("engine_abflow", "moments", logs, memory_limit)
    require_same("abflow", abflow.result, floor.result)
    _say(f"\nmemory, DuckDB limited to {memory_limit}: {size}\n{HEADER}")
    for name, found in (("floor", floor), ("abflow", abflow)):
        _say(_row(name, Runs([found])))
    return [Target("memory, peak MB of abflow", abflow.peak_mb, "at most", 4000)]


def _logs(data: Path, size: Size, days: int) -> Logs:
    """The logs; they are drawn in another process, so that this one stays small."""
    drawn = run("engine_data", "written", data, size, days)
    _say(f"\nlogs of {days} days in {drawn.result.folder}, {drawn.seconds:.0f} s to draw what was not there yet")
    logs: Logs = drawn.result
    return logs


def _copy(store: Path, copy: Path) -> None:
    """Another store with the same files; what is written into one is not seen in the other."""
    shutil.copytree(store, copy, copy_function=os.link)


def _row(name: str, runs: Runs) -> str:
    return f"{name:>16} {runs.seconds:9.2f} {runs.cpu_seconds:9.2f} {runs.peak_mb:9,.0f}"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
