"""`simulate`: the logs of one experiment, from a seed, with a known truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from abflow.errors import SpecError
from abflow.simulate.clock import NEVER, midnight
from abflow.simulate.columns import exposure_columns, outcome_columns, served_versions, shadow_columns
from abflow.simulate.expected import expected
from abflow.simulate.exposures import FirstSeen, draw_exposures, nobody_seen
from abflow.simulate.outcomes import draw_outcomes
from abflow.simulate.population import Units
from abflow.simulate.rows import Rows, by_time, count, joined, split_late, with_repeats
from abflow.simulate.shadow import draw_shadow
from abflow.simulate.truth import Truth
from abflow.simulate.world import World, create_world
from abflow.simulate.writer import Format, day_file, open_writer, refuse_strangers, write_rows
from abflow.spec.calendar import Phase
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.phases import ShadowPhase

LogName = Literal["shadow", "exposures", "outcomes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSummary:
    """What was written, what was done to it on purpose, and what a right analysis must find."""

    files: int
    rows: dict[str, int]
    late: dict[str, int]
    duplicated: dict[str, int]
    crossed_units: int
    lost_units: int
    enrolled_units: dict[str, int]
    expected: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _DayOfLog:
    log: LogName
    day: date
    rows: Rows
    late: int = 0
    duplicated: int = 0
    first_seen: FirstSeen | None = None


def simulate(
    spec: ExperimentSpec,
    truth: Truth,
    *,
    seed: int,
    root: Path,
    format: Format = "parquet",  # noqa: A002  the word users know
    versions: Mapping[str, str] | None = None,
) -> SimulationSummary:
    """Write the logs of every day of an experiment; the same seed gives the same bytes.

    Args:
        spec: The experiment; its calendar says the days, its logs say where.
        truth: What is so in the simulated world.
        seed: Any whole number from 0.
        root: Where relative paths of the spec's logs begin.
        format: File format of all logs.
        versions: What stands in `model_version` by variant, such as the numbers behind the aliases;
            default: as the spec has it.

    Raises:
        SpecError: The truth does not fit the experiment, or a log is not a folder that can be written to.
        DataError: A log's folder holds files that this simulation would not replace.
    """
    if seed < 0:
        raise SpecError(f"seed {seed} is negative; give a whole number from 0")
    folders = _folders(spec, root)
    world = create_world(spec, truth, seed=seed)
    known = served_versions(spec, versions)
    selects: dict[LogName, str] = {
        "shadow": shadow_columns(),
        "exposures": exposure_columns(spec, truth, known),
        "outcomes": outcome_columns(spec),
    }
    for log, days in _days(world).items():
        refuse_strangers(folders[log], {day_file(folders[log], day, format) for day in days})
    first_seen, parts = nobody_seen(world), []
    with open_writer() as connection:
        for part in chain(_shadow(world), _serving(world)):
            write_rows(connection, part.rows, selects[part.log], day_file(folders[part.log], part.day, format))
            first_seen = part.first_seen or first_seen
            parts.append(replace(part, rows={"moment": part.rows["moment"]}))
    return _summary(world, parts, first_seen)


def _folders(spec: ExperimentSpec, root: Path) -> dict[LogName, Path]:
    """Where each log is written; a log must be a folder of its own."""
    logs: tuple[LogName, ...] = ("exposures", "outcomes")
    if isinstance(spec.phases.shadow, ShadowPhase) and spec.logs.shadow:
        logs = (*logs, "shadow")
    places: dict[LogName, str] = {}
    for log in logs:
        source = spec.logs.source(log)
        if "://" in source.path or any(sign in source.path for sign in "*?[{") or source.columns or source.day:
            raise SpecError(
                f"logs.{log} is {source.path!r}; a simulation writes abflow's own columns to a folder of this machine, "
                "so give its plain path and nothing else"
            )
        places[log] = source.path
    folders = {log: root / place for log, place in places.items()}
    if len({folder.resolve() for folder in folders.values()}) < len(folders):
        raise SpecError(f"logs {places} share a folder; a simulation needs one folder per log")
    return folders


def _days(world: World) -> dict[LogName, tuple[date, ...]]:
    """The days of every log that is written."""
    days: dict[LogName, tuple[date, ...]] = {
        "exposures": world.exposure_days,
        "outcomes": world.outcome_days,
    }
    shadow = world.calendar.shadow
    return {**days, "shadow": shadow.days_through(shadow.last)} if shadow else days


def _shadow(world: World) -> Iterator[_DayOfLog]:
    for day in _days(world).get("shadow", ()):
        rows = draw_shadow(world.truth, day, seed=world.seed)
        yield _DayOfLog(log="shadow", day=day, rows={**rows, "key": rows["unit"]})


def _serving(world: World) -> Iterator[_DayOfLog]:
    """Exposures and outcomes, day after day; only who has been seen, and late rows, pass from day to day."""
    first_seen = nobody_seen(world)
    delayed: dict[LogName, Rows] = {}
    for day in world.outcome_days:
        drawn: dict[LogName, Rows] = {}
        if day in world.exposure_days:
            phase = Phase.AA if day < world.calendar.test.start else Phase.TEST
            drawn["exposures"], first_seen = draw_exposures(world, day, phase, first_seen)
        drawn["outcomes"] = draw_outcomes(world, day, first_seen[Phase.TEST])
        for log, rows in drawn.items():
            part, delayed[log] = _logged(world, log, day, rows, delayed.get(log))
            yield replace(part, first_seen=first_seen)


def _logged(world: World, log: LogName, day: date, rows: Rows, delayed: Rows | None) -> tuple[_DayOfLog, Rows]:
    """The file of a day, and the rows that only the next one will hold.

    Without a file on the next day (the last day, or a gap before the test) nothing is late.
    """
    rng = world.stream(day, f"mishaps {log}")
    rows, duplicated = with_repeats(rows, rng, world.truth.duplicate_rate)
    has_next = day + timedelta(days=1) in _days(world)[log]
    rows, late = split_late(rows, rng, world.truth.late_rate if has_next else 0.0)
    rows = by_time(joined(delayed, rows) if delayed else rows)
    part = _DayOfLog(log=log, day=day, rows=_described(world.units, rows), late=count(late), duplicated=duplicated)
    return part, late


def _described(units: Units, rows: Rows) -> Rows:
    """The rows with what their units are."""
    unit = rows["unit"]
    segments = {f"segment {name}": codes[unit] for name, codes in units.segment.items()}
    return {**rows, "key": units.key[unit], "established": units.established[unit], **segments}


def _summary(world: World, parts: list[_DayOfLog], first_seen: FirstSeen) -> SimulationSummary:
    rows, late, duplicated = Counter[str](), Counter[str](), Counter[str]()
    for part in parts:
        rows[part.log] += count(part.rows)
        late[part.log] += part.late
        duplicated[part.log] += part.duplicated
    units = world.units
    visible = {phase: (first_seen[phase] != NEVER) & ~units.lost[phase] for phase in first_seen}
    hidden = {phase: (first_seen[phase] != NEVER) & units.lost[phase] for phase in first_seen}
    in_time = first_seen[Phase.TEST] < midnight(world.calendar.test.enroll_end)
    enrolled = np.bincount(units.variant[visible[Phase.TEST] & in_time], minlength=len(world.variants))
    return SimulationSummary(
        files=len(parts),
        rows=dict(rows),
        late=dict(late),
        duplicated=dict(duplicated),
        crossed_units=int((units.crossed & (visible[Phase.AA] | visible[Phase.TEST])).sum()),
        lost_units=int((hidden[Phase.AA] | hidden[Phase.TEST]).sum()),
        enrolled_units=dict(zip(world.variants, (int(n) for n in enrolled), strict=True)),
        expected=expected(world.spec, world.truth),
    )
