"""Small logs full of awkward rows, and the experiments that read them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb

from abflow.analysis.population import Population
from abflow.engine.exposure_day import build_exposure_day
from abflow.engine.measuring import Recorded, measure
from abflow.engine.outcome_day import build_outcome_day
from abflow.engine.unit_day import Partition, UnitDay
from abflow.engine.unit_state import KnownState, roll_state
from abflow.logs.layout import day_log
from abflow.logs.resources import Resources
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.loading import parse_experiment

Row = dict[str, Any]
Days = Mapping[date, Sequence[Row]]
Format = Literal["jsonl", "csv", "parquet"]

EXPERIMENT = "try_it"
START = date(2026, 3, 2)
TYPES = {"timestamp": "timestamp", "value": "double", "tax": "double"}

DEFAULT_METRICS = """
  visited: {role: primary, kind: proportion, event: visit, window_days: 2, mde: {relative: 0.1}}
  visits: {role: secondary, kind: count, event: visit}
  revenue: {role: secondary, kind: mean, event: purchase, value: value}
"""


def experiment(
    metrics: str = DEFAULT_METRICS,
    *,
    variants: str = "{a: {weight: 0.5}, b: {weight: 0.5}}",
    enroll_days: int = 3,
    days: int = 5,
    assignment: str = "external",
    segments: str = "[]",
) -> ExperimentSpec:
    return parse_experiment(
        f"experiment: {EXPERIMENT}\nhypothesis: the second version is better than the first\nowner: us\n"
        f"variants: {variants}\nunit: user_id\nassignment: {assignment}\n"
        "phases:\n  shadow: {skip: not needed here}\n  aa: {skip: not needed here}\n"
        f"  test: {{start: {START}, enroll_days: {enroll_days}, days: {days}, immature: allowed, why: a short test}}\n"
        f"logs: {{exposures: exposures, outcomes: outcomes}}\nsegments: {segments}\nmetrics:\n{metrics}"
    )


def at(day: int, hour: float = 0.0) -> datetime:
    """A time of the test, its days counted from 0."""
    return datetime.combine(START, time()) + timedelta(days=day, hours=hour)


def exposure(unit: str | None, variant: str | None, when: datetime | None, **more: Any) -> Row:
    return {
        "timestamp": when,
        "experiment_id": EXPERIMENT,
        "user_id": unit,
        "variant": variant,
        "request_id": None,
        "model_version": "1",
        "fallback": False,
    } | more


def outcome(unit: str | None, event: str, when: datetime | None, value: float | None = 1.0, **more: Any) -> Row:
    row = {"timestamp": when, "user_id": unit, "event_type": event, "event_id": None, "value": value, "tax": 0.5}
    return row | more


def by_day(rows: Sequence[Row], days: int = 5) -> dict[date, list[Row]]:
    """Every row in the file of its own day, and in every file a row that is nobody's business."""
    filed: dict[date, list[Row]] = {START + timedelta(days=n): [] for n in range(days)}
    for n, day in enumerate(filed):
        is_exposure = bool(rows) and "variant" in rows[0]
        other = exposure("zz", "q", at(n), experiment_id="other") if is_exposure else outcome("zz", "other", at(n))
        filed[day] = [other, *(row for row in rows if row["timestamp"].date() == day)]
    return filed


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  the same rows every time, not a secret


def random_logs(chance: random.Random, *, days: int = 5) -> tuple[dict[date, list[Row]], dict[date, list[Row]]]:
    """Exposures and outcomes by the day of their file, on a coarse grid of times so that boundaries are met."""
    units = [f"u{n}" for n in range(chance.randint(4, 14))]

    def when() -> datetime:
        moment = at(chance.randint(-1, days), chance.choice([0, 6, 12, 18]))
        return moment + timedelta(microseconds=chance.choice([0, 0, 0, 0, -1, 1]))

    def file_of(moment: datetime) -> date:
        day = moment.date() + timedelta(days=chance.choice([0, 0, 0, 1, 1, -1]))
        return min(max(day, START), START + timedelta(days=days - 1))

    exposures, outcomes = by_day([exposure("", "", at(0))][:0], days), by_day([], days)
    exposures = {day: [exposure("zz", "q", at(0), experiment_id="other", **columns_of(day))] for day in outcomes}
    outcomes = {day: [row | columns_of(day) for row in rows] for day, rows in outcomes.items()}
    home = {unit: chance.choice("ab") for unit in units}
    for n in range(chance.randint(10, 60)):
        unit, moment = chance.choice(units), when()
        variant = home[unit] if chance.random() < 0.93 else chance.choice("ab")
        row = exposure(unit, variant, moment, model_version=chance.choice(["1", "2", None]))
        row["fallback"] = chance.random() < 0.1
        row |= columns_of(unit, moment, variant)  # rows that nothing else tells apart have the same
        day, kind = file_of(moment), chance.random()
        if kind < 0.3:  # a request_id that other rows of this file have as well
            row["request_id"] = f"shared-{day}-{chance.randint(0, 3)}"
        elif kind < 0.6:  # delivered twice, the second time perhaps in another day's file
            row["request_id"] = f"own-{n}"
            exposures[file_of(moment)].append(dict(row))
        exposures[day].append(row)
    for n in range(chance.randint(20, 120)):
        moment = when()
        event = chance.choice(["visit", "visit", "purchase", "purchase", "ticket"])
        unit = chance.choice([*units, "stranger"])
        row = outcome(unit, event, moment, chance.randint(-8, 40) / 4, tax=chance.randint(0, 8) / 8)
        row |= columns_of(n, unit, moment)
        kind = chance.random()
        if kind < 0.3:
            row["event_id"] = f"shared-{chance.randint(0, 5)}"
        elif kind < 0.6:
            row["event_id"] = f"own-{n}"
            outcomes[file_of(moment)].append(dict(row))
        outcomes[file_of(moment)].append(row)
    return exposures, outcomes


SURFACES = ["search", "home", "search", 5, 5.0, "5", "5.0", "05", "search ", "", None]
MEMBERS = [True, False, "TRUE", "no", "on", 1, 0, "maybe", None]


def columns_of(*drawn_by: object) -> Row:
    """What filters look at, without a draw from the logs' own chance."""
    own = random.Random(repr(drawn_by))  # noqa: S311
    return {"surface": own.choice(SURFACES), "member": own.choice(MEMBERS)}


def random_metrics(chance: random.Random) -> str:
    """Metrics of every kind, on the same and on different events, with and without a window."""
    kinds = [
        "kind: proportion, event: visit",
        "kind: proportion, event: purchase",
        "kind: count, event: visit",
        "kind: count, event: purchase",
        "kind: count, event: ticket",
        "kind: mean, event: purchase, value: value",
        "kind: mean, event: purchase, value: tax",
        "kind: mean, event: visit, value: value",
        "kind: mean, event: purchase, value: value, cap: 4.5",
        "kind: mean, event: purchase, value: value, cap: p75",
        "kind: mean, event: purchase, value: value, cap: p60, over: positive",
        "kind: ratio, numerator: purchase, denominator: visit, why: it is asked for",
        "kind: ratio, numerator: visit, denominator: exposures, why: it is asked for",
        "kind: ratio, numerator: purchase, numerator_value: value, denominator: purchase, why: it is asked for",
        "kind: count, event: visit, where: {surface: search}",
        "kind: count, event: visit, where: {surface: ['5', home]}",
        "kind: count, event: purchase, where: {surface: 5}",
        "kind: count, event: visit, where: {surface: nowhere}",
        "kind: proportion, event: purchase, where: {member: true, surface: [home, search]}",
        "kind: mean, event: purchase, value: value, where: {surface: 5}",
        "kind: mean, event: purchase, value: tax, cap: p75, where: {member: [false, maybe]}",
        "kind: ratio, numerator: visit, numerator_where: {surface: search}, denominator: exposures, why: again",
        "kind: ratio, numerator: visit, denominator: exposures, denominator_where: {surface: [search, 5]}, why: again",
        "kind: ratio, numerator: purchase, numerator_where: {member: true}, denominator: purchase, why: again",
    ]
    chosen = ["role: primary, mde: {absolute: 0.1}, " + chance.choice(kinds)]
    chosen += ["role: secondary, " + kind for kind in chance.sample(kinds, k=6)]
    windows = ["", "", ", window_days: 1", ", window_days: 2", ", window_days: 4"]
    return "".join(f"  m{n}: {{{metric}{chance.choice(windows)}}}\n" for n, metric in enumerate(chosen))


def write_log(folder: Path, days: Days, kind: Format = "jsonl") -> Path:
    """A log on disk; times in UTC without a zone."""
    for day, rows in days.items():
        place = folder / f"date={day}"
        place.mkdir(parents=True, exist_ok=True)
        source = place / "part-0.jsonl"
        source.write_text("".join(json.dumps(row, default=_utc_text) + "\n" for row in rows), encoding="utf-8")
        if kind != "jsonl":
            types = ", ".join(f"{name}: '{TYPES.get(name, 'varchar')}'" for name in rows[0])
            read = f"read_json('{source}', columns = {{{types}}}, hive_partitioning = false)"
            with duckdb.connect(":memory:") as db:
                db.execute(f"copy (from {read}) to '{place / f'part-0.{kind}'}' (format {kind})")
            source.unlink()
    return folder


def _utc_text(moment: object) -> str:
    assert isinstance(moment, datetime)
    assert moment.tzinfo in {None, UTC}
    return moment.isoformat(sep=" ")


def build(
    spec: ExperimentSpec, folder: Path, exposures: Days, outcomes: Days, *, kind: Format = "jsonl"
) -> dict[date, UnitDay]:
    """Write both logs and every day's partition under `folder`."""
    shown = write_log(folder / "exposures", exposures, kind)
    done = write_log(folder / "outcomes", outcomes, kind)
    return {day: build_day(spec, folder, shown, done, day) for day in exposures}


def build_day(
    spec: ExperimentSpec, folder: Path, exposures: Path, outcomes: Path, day: date, *, threads: int = 1
) -> UnitDay:
    place, resources = _place(folder, day), Resources(threads=threads)
    place.mkdir(parents=True)
    return UnitDay(
        exposure_log=build_exposure_day(spec, day_log("exposures", exposures, day), place, resources=resources),
        outcome_log=build_outcome_day(spec, day_log("outcomes", outcomes, day), place, resources=resources),
    )


def _place(folder: Path, day: date) -> Path:
    return folder / "unit_day" / str(day)


def partitions_of(folder: Path, built: Mapping[date, UnitDay]) -> list[Partition]:
    return [
        Partition(made=built[day], exposures=_place(folder, day), outcomes=_place(folder, day)) for day in sorted(built)
    ]


def recorded(
    spec: ExperimentSpec,
    folder: Path,
    partitions: Sequence[Partition],
    *,
    aa: Sequence[Partition] = (),
    threads: int = 1,
    step: int = 1,
) -> Recorded:
    """The test so far, its state rolled on by some days at a time, perhaps after an A/A phase."""
    period, known = calendar_of(spec).test, None
    place = folder / "unit_state"
    place.mkdir(exist_ok=True)
    ends = [*range(step, len(partitions), step), len(partitions)]
    for end in ends:
        resources = Resources(threads=threads)
        made = roll_state(spec, period, list(partitions[:end]), place, aa=aa, known=known, resources=resources)
        known = KnownState(made=made, folder=place)
    assert known is not None
    return Recorded(period=period, state=known, partitions=tuple(partitions), aa=tuple(aa))


def random_aa(chance: random.Random, *, days: int = 3) -> tuple[dict[date, list[Row]], dict[date, list[Row]]]:
    """Logs of an A/A phase that ends where the test begins; its events have ids that the test's have too."""
    exposures, outcomes = random_logs(chance, days=days)
    shift = timedelta(days=days)
    return tuple(  # type: ignore[return-value]  # two logs, as before
        {day - shift: [row | {"timestamp": row["timestamp"] - shift} for row in rows] for day, rows in log.items()}
        for log in (exposures, outcomes)
    )


def measured(
    spec: ExperimentSpec, folder: Path, exposures: Days, outcomes: Days, *, kind: Format = "jsonl"
) -> Population:
    """The population of the test, from logs to moments."""
    built = build(spec, folder, exposures, outcomes, kind=kind)
    return measure(spec, recorded(spec, folder, partitions_of(folder, built)))
