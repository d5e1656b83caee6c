"""The logs of the engine's benchmark, drawn by the simulator: the same users come back on every day.

A day has several files, as if several servers had logged; every user can be in each of them. A file that is there
already is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from abflow.simulate.columns import exposure_columns, outcome_columns, served_versions
from abflow.simulate.exposures import draw_exposures, nobody_seen
from abflow.simulate.outcomes import draw_outcomes
from abflow.simulate.rows import Rows, by_time, with_repeats
from abflow.simulate.truth import EventTruth, Truth
from abflow.simulate.world import World, create_world
from abflow.simulate.writer import day_file, open_writer, write_rows
from abflow.spec.calendar import Phase
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import parse_experiment

FIRST = date(2026, 10, 1)
PART = 5_000_000  # exposures of a file
CAP = 100
EXPERIMENT = """
experiment: benchmark
hypothesis: the engine is no bottleneck
owner: abflow
variants: {{control: {{weight: 0.5}}, treatment: {{weight: 0.5}}}}
unit: user_id
phases:
  shadow: {{skip: nothing to mirror}}
  aa: {{skip: nothing to rehearse}}
  test: {{start: {start}, enroll_days: {days}, days: {days}, why: as many days as are measured}}
logs: {{exposures: {folder}/exposures, outcomes: {folder}/outcomes}}
metrics:
  bought: {{role: primary, kind: proportion, event: purchase, mde: {{relative: 0.02}}}}
  sessions: {{role: guardrail, kind: count, event: session, margin: {{relative: -0.02}}}}
  revenue: {{role: guardrail, kind: mean, event: purchase, value: value, cap: {cap}, margin: {{relative: -0.02}}}}
  ctr: {{role: guardrail, kind: ratio, numerator: click, denominator: impression, margin: {{relative: -0.02}}}}
"""
# Share of users that ever do it, and share of all outcomes.
EVENTS = {"session": (0.6, 0.25), "impression": (0.6, 0.5), "click": (0.4, 0.2), "purchase": (0.1, 0.05)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much happens on each day.

    Attributes:
        ids: Whether rows carry a request_id or event_id; then a few are logged twice, and must count once.
    """

    exposures: int
    users: int
    outcomes: int
    ids: bool

    @property
    def parts(self) -> int:
        """Files of a day."""
        return -(-self.exposures // PART)

    def __str__(self) -> str:
        rows = f"{self.exposures:,} exposures of {self.users:,} users and {self.outcomes:,} outcomes"
        return f"{rows}, {'with' if self.ids else 'without'} request and event ids"


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """Where the days lie.

    Attributes:
        ids: Whether rows carry ids.
    """

    folder: Path
    days: int
    ids: bool

    def files(self, log: str, days: int) -> list[str]:
        """The files of a log's first days."""
        folders = [self.folder / log / f"date={day}" for day in self.first(days)]
        return [str(file) for folder in folders for file in sorted(folder.glob("*.parquet"))]

    def first(self, days: int) -> list[date]:
        """The first days."""
        return [FIRST + timedelta(days=number) for number in range(days)]

    @property
    def spec(self) -> ExperimentSpec:
        """The experiment that reads them."""
        return _spec(self.folder, FIRST, self.days)


def written(root: Path, size: Size, days: int) -> Logs:
    """The logs of so many days; what is not there yet is drawn and written.

    Args:
        root: Folder of all sizes.
        size: How much happens on each day.
        days: How many days.
    """
    name = f"{size.exposures}-{size.users}-{size.outcomes}-{'ids' if size.ids else 'plain'}"
    logs = Logs(folder=root / name, days=days, ids=size.ids)
    missing = [(day, part) for day in logs.first(days) for part in range(size.parts) if not _is_there(logs, day, part)]
    if missing:
        world = _world(size)
        selects = _selects(world, ids=size.ids)
        with open_writer() as connection:
            for day, part in missing:
                for log, rows in _drawn(replace(world, seed=part), day, part, ids=size.ids):
                    write_rows(connection, rows, selects[log], _file(logs, log, day, part))
    return logs


def _is_there(logs: Logs, day: date, part: int) -> bool:
    return all(_file(logs, log, day, part).exists() for log in ("exposures", "outcomes"))


def _file(logs: Logs, log: str, day: date, part: int) -> Path:
    return day_file(logs.folder / log, day, "parquet").with_name(f"part-{part}.parquet")


def _spec(folder: Path, start: date, days: int) -> ExperimentSpec:
    return parse_experiment(EXPERIMENT.format(folder=folder, start=start, days=days, cap=CAP))


def _world(size: Size) -> World:
    """A world whose users have all arrived on the eve of the first day and stay; it draws one file of a day."""
    # Established users, six in ten, do everything half as often again; one in eleven is never exposed.
    outcomes = size.outcomes / size.users / size.parts / 1.45
    truth = Truth(
        units_per_day=size.users,
        returning=size.exposures / size.users / size.parts,
        active_days=10_000,
        weekday=(1, 1, 1, 1, 1, 1, 1),
        crossed_rate=0.001,
        events={event: EventTruth(share=who, per_day=outcomes * much / who) for event, (who, much) in EVENTS.items()},
    )
    return create_world(_spec(Path("logs"), FIRST - timedelta(days=1), 1), truth, seed=0)


def _drawn(world: World, day: date, part: int, *, ids: bool) -> Iterator[tuple[str, Rows]]:
    """The rows of a day's files in order; with ids, some of them twice."""
    exposures, seen = draw_exposures(world, day, Phase.TEST, nobody_seen(world))
    outcomes = draw_outcomes(world, day, seen[Phase.TEST])
    for log, number, drawn in (("exposures", "request", exposures), ("outcomes", "event", outcomes)):
        rows = {**drawn, number: drawn[number] + part * 2 * PART}  # ids that no other file of the day has
        if ids:
            rows, _ = with_repeats(rows, world.stream(day, f"mishaps {log}"), world.truth.duplicate_rate)
        rows = by_time(rows)
        unit = rows["unit"]
        yield log, {**rows, "key": world.units.key[unit], "established": world.units.established[unit]}


def _selects(world: World, *, ids: bool) -> dict[str, str]:
    """The simulator's columns; ids are UUIDs, as routers write them, or left out."""
    columns = {
        ("exposures", "request_id"): exposure_columns(world.spec, world.truth, served_versions(world.spec, None)),
        ("outcomes", "event_id"): outcome_columns(world.spec),
    }
    how = "replace (cast(cast(md5({name}) as uuid) as varchar) as {name})" if ids else "exclude ({name})"
    return {log: f"select * {how.format(name=name)} from ({select})" for (log, name), select in columns.items()}  # noqa: S608
