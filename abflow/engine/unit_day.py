"""One day of the logs becomes one partition: units, events and a manifest of what was read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abflow.engine.measures import NOTHING, measures_of, parts_of, reads_exposures
from abflow.errors import ContractBroken
from abflow.logs.layout import DayLog
from abflow.logs.reading import as_text, connection, identifier, literal, open_day, reading, require_columns, utc
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import EXPOSURES

if TYPE_CHECKING:
    import duckdb

FORMAT = 2  # of the partition; raised when its columns change, so that old partitions are built again
UNIT_COLUMN = "user_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How often a model version answered for a variant."""

    variant: str
    model_version: str | None
    fallback: bool
    exposures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDay:
    """What one partition holds, and what was left out of it; the files are named by what they were made from."""

    day: date
    inputs: str
    units_file: str
    events_file: str
    exposure_rows: int
    other_experiments: int
    repeated_requests: int
    exposures: int
    units: int
    outcome_rows: int
    repeated_events: int
    events: dict[str, int]
    served: tuple[Served, ...]


def inputs_of(spec: ExperimentSpec, exposures: DayLog, outcomes: DayLog) -> str:
    """Hash of everything a partition depends on: the day's files, and what the experiment reads of them."""
    definition = {
        "format": FORMAT,
        "experiment": spec.experiment,
        "variants": sorted(spec.variants),
        "measures": [asdict(measure) for measure in measures_of(spec)],
        "exposures": exposures.content_hash(),
        "outcomes": outcomes.content_hash(),
    }
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()


def build_unit_day(
    spec: ExperimentSpec,
    exposures: DayLog,
    outcomes: DayLog,
    folder: Path,
    *,
    resources: Resources = WHOLE_MACHINE,
) -> UnitDay:
    """Write the units and events of one day into `folder`, a pure function of that day's logs.

    Raises:
        DataError: A file cannot be read.
        ContractBroken: The logs are not what the spec promised.
    """
    inputs = inputs_of(spec, exposures, outcomes)
    units_file, events_file = f"units-{inputs[:16]}.parquet", f"events-{inputs[:16]}.parquet"
    with connection(resources) as db:
        exposure_rows, others = _open_exposures(db, spec, exposures)
        with reading(exposures):
            _make(db, "exposures_once", experiment=spec.experiment)
            _write(db, ("units",), folder / units_file)
        outcome_rows, read = _open_outcomes(db, spec, outcomes)
        with reading(outcomes):
            statements = ("events", "exposure_events") if reads_exposures(measures_of(spec)) else ("events",)
            _write(db, statements, folder / events_file)
        once = _one(db, "select count(*) from exposures_once")
        units = _one(db, f"select count(distinct unit_id) from read_parquet({literal(str(folder / units_file))})")
        kept = db.execute(
            "select event_type, count(*), count(distinct measured) from "
            f"read_parquet({literal(str(folder / events_file))}) where event_type <> {literal(EXPOSURES)} "
            "group by event_type order by event_type"
        ).fetchall()
        served = db.execute(statement("served")).fetchall()
    return UnitDay(
        day=exposures.day,
        inputs=inputs,
        units_file=units_file,
        events_file=events_file,
        exposure_rows=exposure_rows,
        other_experiments=others,
        repeated_requests=exposure_rows - others - once,
        exposures=once,
        units=units,
        outcome_rows=outcome_rows,
        repeated_events=read - sum(rows // columns for _, rows, columns in kept),
        events={event: rows // columns for event, rows, columns in kept},
        served=tuple(
            Served(variant=v, model_version=version, fallback=fallback, exposures=n)
            for v, version, fallback, n in served
        ),
    )


def statement(name: str) -> str:
    """The SQL of one step, by the name of its file."""
    return (files("abflow.engine") / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def _open_exposures(db: duckdb.DuckDBPyConnection, spec: ExperimentSpec, log: DayLog) -> tuple[int, int]:
    columns = open_day(db, log, view="raw_exposures", as_json=True)
    needed = dict.fromkeys(("timestamp", "experiment_id", UNIT_COLUMN, "variant"), "the exposure log")
    require_columns(log, columns, needed)

    def text(name: str) -> str:
        return as_text(name, columns[name]) if name in columns else "cast(null as varchar)"

    fallback = f"coalesce(try_cast({text('fallback')} as boolean), false)"
    with reading(log):
        db.execute(
            f"create or replace temp view exposure_rows as select {utc('timestamp', columns['timestamp'], log)} "
            f"as happened, {text('experiment_id')} as experiment_id, {text(UNIT_COLUMN)} as unit_id, "
            f"{text('variant')} as variant, {text('request_id')} as request_id, "
            f"{text('model_version')} as model_version, {fallback} as fallback from raw_exposures"
        )
        mine = "experiment_id = $experiment"
        counts = db.execute(
            f"select count(*), count(*) filter (where not ({mine})), count(*) filter (where experiment_id is null), "
            f"count(*) filter (where {mine} and happened is null), count(*) filter (where {mine} and unit_id is null), "
            f"count(*) filter (where {mine} and variant is null) from exposure_rows",
            {"experiment": spec.experiment},
        ).fetchone()
        unknown = db.execute(
            f"select variant, count(*) from exposure_rows where {mine} and variant is not null "
            "and not list_contains($variants, variant) group by variant order by variant limit 3",
            {"experiment": spec.experiment, "variants": list(spec.variants)},
        ).fetchall()
    rows, others, *nulls = counts or (0, 0, 0, 0, 0, 0)
    _refuse_nulls(log, ("experiment_id", "timestamp", UNIT_COLUMN, "variant"), nulls)
    if unknown:
        name, count = unknown[0]
        raise ContractBroken(
            f"log 'exposures', day {log.day}: {count} rows of {spec.experiment} name the variant {name!r}, which "
            f"the experiment file does not have ({', '.join(spec.variants)}); add it there, or correct the log"
        )
    return rows, others


def _open_outcomes(db: duckdb.DuckDBPyConnection, spec: ExperimentSpec, log: DayLog) -> tuple[int, int]:
    columns = open_day(db, log, view="raw_outcomes", as_json=True)
    needed = dict.fromkeys(("timestamp", UNIT_COLUMN, "event_type"), "the outcome log")
    measures = tuple(measure for measure in measures_of(spec) if measure.event_type != EXPOSURES)
    for name, metric in spec.metrics.items():
        needed |= {part.measured: f"metric {name}" for part in parts_of(metric) if part.measured != NOTHING}
    require_columns(log, columns, needed)
    happened = utc("timestamp", columns["timestamp"], log)
    read_columns = sorted({measure.measured for measure in measures})
    parts = [_measured(place, column, columns, happened) for place, column in enumerate(read_columns)]
    with reading(log):
        db.execute("create or replace temp table measures (event_type varchar, measured varchar, place integer)")
        db.executemany(
            "insert into measures values (?, ?, ?)",
            [(m.event_type, m.measured, read_columns.index(m.measured)) for m in measures],
        )
        db.execute(f"create or replace temp view measured_rows as {' union all '.join(parts)}")
        rows = _one(db, "select count(*) from raw_outcomes")
        counts = db.execute(
            "select count(*) filter (where happened is null), count(*) filter (where unit_id is null) "
            "from measured_rows"
        ).fetchone()
        event_type = as_text("event_type", columns["event_type"])
        # Counted in the log: an event that is read through two columns is one event.
        read = _one(
            db, f"select count(*) from raw_outcomes where {event_type} in (select m.event_type from measures as m)"
        )
        unreadable = db.execute(
            "select event_type, measured, count(*) from measured_rows where measured <> '' "
            "and (amount is null or not isfinite(amount)) group by all order by all limit 1"
        ).fetchone()
    _refuse_nulls(log, ("timestamp", UNIT_COLUMN), list(counts or (0, 0)))
    if unreadable:
        event, column, count = unreadable
        raise ContractBroken(
            f"log 'outcomes', day {log.day}: {column} of {count} {event!r} events in {log.folder} is missing or not a "
            "finite number; correct the log, because counting it as 0 would move the mean"
        )
    return rows, read


def _measured(place: int, column: str, columns: dict[str, str], happened: str) -> str:
    """Every event that is read through one column; event types are free text and come from the table of measures."""
    unit, event_type = (as_text(name, columns[name]) for name in (UNIT_COLUMN, "event_type"))
    event_id = as_text("event_id", columns["event_id"]) if "event_id" in columns else "null"
    amount = "null" if column == NOTHING else _number(column, columns[column])
    return (
        f"select {unit} as unit_id, {event_type} as event_type, "
        f"(select any_value(m.measured) from measures as m where m.place = {place}) as measured, "
        f"{happened} as happened, cast({amount} as double) as amount, cast({event_id} as varchar) as event_id "
        f"from raw_outcomes where {event_type} in (select m.event_type from measures as m where m.place = {place})"
    )


def _number(column: str, type_: str) -> str:
    given = as_text(column, type_) if type_ == "JSON" else identifier(column)
    return f"try_cast({given} as double)"


def _refuse_nulls(log: DayLog, columns: tuple[str, ...], nulls: list[int]) -> None:
    found = [f"{column} in {count} rows" for column, count in zip(columns, nulls, strict=True) if count]
    if found:
        raise ContractBroken(
            f"log {log.log!r}, day {log.day}: {log.folder} has no readable {', '.join(found)}; "
            "these rows belong to nobody or to no time. Correct the log and run the day again"
        )


def _make(db: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> None:
    db.execute(f"create or replace temp table {name} as {statement(name)}", parameters)


def _write(db: duckdb.DuckDBPyConnection, names: tuple[str, ...], file: Path) -> None:
    rows = " union all ".join(f"(from ({statement(name)}))" for name in names)
    db.execute(f"copy ({rows}) to {literal(str(file))} (format parquet, compression zstd)")


def _one(db: duckdb.DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    return int(row[0]) if row else 0
