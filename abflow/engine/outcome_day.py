"""One day of the outcome log becomes a partition: the events that some metric reads, each once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from abflow.engine.database import database
from abflow.engine.filing import FORMAT, NO_KEY, UNIT_COLUMN, key_of, refuse_nulls
from abflow.engine.inputs import digest_of
from abflow.engine.instants import midnight
from abflow.engine.measures import Measure, columns_needed, filtered_events, leftovers_of, measures_of, same_event
from abflow.engine.row_filters import condition
from abflow.engine.statements import filled, make, one, rows, show, statement, write
from abflow.engine.wrong_rows import first_of_them, id_of, text_of
from abflow.errors import ContractBroken
from abflow.logs.cost import count_read
from abflow.logs.database import Database
from abflow.logs.layout import DayLog, LogFormat
from abflow.logs.reading import as_id, as_text, identifier, literal, open_day, reading, require_columns, utc
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.experiment import ExperimentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeDay:
    """What the partition of one day's outcomes holds, and what was left out of it.

    Attributes:
        inputs: Hash of what it was made from, which also names the file.
        asked: Hash of what was asked of the log: see `outcome_question`.
        files: The events.
        rows: In the log.
        read: Rows that some metric reads, by measure, before any is left out.
        repeated: Events of a type that some metric reads and whose event_id had come before in the file.
        events: Events by type, also of a type of which no row passes any metric's filter.
        of_day: Of these types those with an event on this very day, because a day's file may hold only late rows.
        has_ids: Whether any of them, or of the rows that no filter lets pass, has an event_id.
        latest: Time of the last one.
        largest: The largest size of a measured value, by measure.
    """

    day: date
    inputs: str
    files: tuple[str, ...]
    rows: int
    read: dict[str, int]
    repeated: int
    events: dict[str, int]
    has_ids: bool
    latest: datetime | None
    largest: dict[str, float]
    of_day: tuple[str, ...] | None = None  # older manifests have none
    asked: str | None = None  # manifests before format 10 have none

    @property
    def seen(self) -> tuple[str, ...]:
        """Types of which an event lies on this day, as far as the manifest tells."""
        return tuple(self.events) if self.of_day is None else self.of_day


def outcome_inputs(spec: ExperimentSpec, log: DayLog) -> str:
    """Hash of everything the partition depends on: the day's files, and what the experiment reads of them."""
    return digest_of(format=FORMAT, engine=spec.engine, asked=outcome_question(spec), outcomes=log.content_hash())


def outcome_question(spec: ExperimentSpec) -> str:
    """Hash of what the experiment reads of its outcome log, whatever that holds."""
    return digest_of(measures=[measure.label for measure in _measures(spec)])


def build_outcome_day(
    spec: ExperimentSpec, log: DayLog, folder: Path, *, resources: Resources = WHOLE_MACHINE
) -> OutcomeDay:
    """Write one day's events into `folder`, a pure function of that day's log.

    Raises:
        DataError: A file cannot be read.
        ContractBroken: The log is not what the spec promised.
    """
    inputs = outcome_inputs(spec, log)
    file = f"events-{inputs[:16]}.parquet"
    measures = _measures(spec)
    with database(spec, resources) as db:
        columns = _open(db, spec, log)
        with reading(log):
            total = one(db, "select count(*) from raw_outcomes")
            count_read(rows=total)
            differ = "event_id" in columns and _has_ids_that_differ(db, measures)
            repeats = ("event_id" in columns and _has_repeats(db)) or differ
            if repeats:  # the repeats may be rows that cannot count
                _refuse_what_cannot_count(db, log, measures)
            key = key_of("event_id") if "event_id" in columns else NO_KEY
            source = "earliest_rows" if differ else "measured_rows"
            write(db, filled("events_of_ids" if repeats else "events", rows=source, key=key), folder / file)
            read = _by_measure(db) if repeats else {}
            held = filled("events_kept", file=literal(str(folder / file)), of_day=_is_on("happened", log.day))
            kept = {row["measure"]: row for row in rows(db, held)}
            if not all(_can_count(measure, kept[measure.label]) for measure in measures if measure.label in kept):
                _refuse_what_cannot_count(db, log, measures)
            whole = {measure.event_type: measure.label for measure in reversed(measures) if not measure.rows}
            filtered = _by_type(db, columns, {measure.event_type for measure in measures} - {*whole}, log)
    read = read or {label: row["events"] for label, row in kept.items()}
    for leftover in leftovers_of(measures):
        read.pop(leftover.label, None)
    by_type = filtered | {
        event: (read[label], kept[label]["events"], kept[label]["of_day"])
        for event, label in whole.items()
        if label in kept
    }
    return OutcomeDay(
        day=log.day,
        inputs=inputs,
        asked=outcome_question(spec),
        files=(file,),
        rows=total,
        read=dict(sorted(read.items())),
        repeated=sum(rows_of_type - events for rows_of_type, events, _ in by_type.values()),
        events={event: events for event, (_, events, _) in sorted(by_type.items())},
        has_ids=any(row["with_id"] for row in kept.values()),
        latest=max((row["latest"] for row in kept.values()), default=None),
        largest={m.label: kept[m.label]["largest"] for m in measures if m.column and m.label in kept},
        of_day=tuple(event for event, (*_, of_day) in sorted(by_type.items()) if of_day),
    )


def _is_on(happened: str, day: date) -> str:
    """SQL text: whether a time lies on a UTC day."""
    first, after = (literal(str(midnight(each))) for each in (day, day + timedelta(days=1)))
    return f"{happened} >= timestamp {first} and {happened} < timestamp {after}"


def _by_measure(db: Database) -> dict[str, int]:
    return dict(db.execute("select measure, count(*) from measured_rows group by measure").fetchall())


def _by_type(db: Database, columns: dict[str, str], types: set[str], log: DayLog) -> dict[str, tuple[int, int, bool]]:
    """Rows and events of types that are only read through filters, and whether one lies on the log's own day.

    Whether a type occurs is no matter of the filters.
    """
    if not types:
        return {}
    event_type, event_id = as_text("event_type", columns["event_type"]), _event_id(columns)
    of_day = _is_on(utc("timestamp", columns["timestamp"], log), log.day)
    return {
        name: (counted, counted - named + different, on_day)
        for name, counted, named, different, on_day in db.execute(
            f"select {event_type}, count(*), count({event_id}), count(distinct {event_id}), "
            f"count(*) filter (where {of_day}) > 0 from raw_outcomes "
            f"where {event_type} in ({', '.join(map(literal, sorted(types)))}) group by 1"
        ).fetchall()
    }


def _event_id(columns: dict[str, str]) -> str:
    return as_id("event_id", columns["event_id"]) if "event_id" in columns else "cast(null as varchar)"


def _measures(spec: ExperimentSpec) -> tuple[Measure, ...]:
    return tuple(measure for measure in measures_of(spec) if not measure.of_exposures)


def _can_count(measure: Measure, kept: dict[str, Any]) -> bool:
    """Whether all events of a measure have a unit, a time and, where it is read, a number."""
    counts = ["units", "times", *(["amounts"] if measure.column else [])]
    return all(kept[f"with_{count}"] == kept["events"] for count in counts)


def _open(db: Database, spec: ExperimentSpec, log: DayLog) -> dict[str, str]:
    """Make the view of the rows that some metric reads; returns the columns that the log has."""
    columns = open_day(db, log, view="raw_outcomes", as_json=True)
    needed = dict.fromkeys(("timestamp", UNIT_COLUMN, "event_type"), "the outcome log")
    needed |= columns_needed(spec, of_exposures=False)
    require_columns(log, columns, needed)
    measures = _measures(spec)
    layers = [_layer(layer, columns, log) for layer in _layers(measures)]
    if "event_id" in columns and leftovers_of(measures):
        layers.append(_leftovers(measures, columns, log))
    kind = "view" if log.format is LogFormat.PARQUET else "table"
    with reading(log):
        db.execute(f"create or replace temp {kind} measured_rows as {' union all '.join(layers)}")
    return columns


def _layers(measures: tuple[Measure, ...]) -> list[list[Measure]]:
    """Measures in as few scans as there are ways of reading one event type; most experiments have one layer."""
    layers: list[list[Measure]] = []
    for measure in measures:
        free = next((layer for layer in layers if all(m.event_type != measure.event_type for m in layer)), None)
        if free is None:
            layers.append([measure])
        else:
            free.append(measure)
    return layers or [[]]


def _layer(measures: list[Measure], columns: dict[str, str], log: DayLog) -> str:
    """Every event of some types that passes the type's filter, each read through one column."""
    unit, event_type = as_id(UNIT_COLUMN, columns[UNIT_COLUMN]), as_text("event_type", columns["event_type"])
    types = ", ".join(literal(measure.event_type) for measure in measures) or "null"
    filters = "".join(
        f" and ({event_type} <> {literal(m.event_type)} or "
        f"{condition(m.where, lambda name: as_text(name, columns[name]))})"
        for m in measures
        if m.where
    )
    labels = "".join(f" when {literal(m.event_type)} then {literal(m.label)}" for m in measures)
    amounts = "".join(
        f" when {literal(m.event_type)} then {_number(m.column, columns[m.column])}" for m in measures if m.column
    )
    measure = f"case {event_type}{labels} end" if measures else "cast(null as varchar)"
    amount = f"case {event_type}{amounts} end" if amounts else "null"
    counted = ", ".join(literal(m.event_type) for m in measures if not m.column)
    is_counted = f"{event_type} in ({counted})" if counted else "false"
    return (
        f"select {unit} as unit_id, {measure} as measure, {utc('timestamp', columns['timestamp'], log)} as happened, "
        f"cast({amount} as double) as amount, {is_counted} as is_counted, "
        f"{_event_id(columns)} as event_id from raw_outcomes where {event_type} in ({types}){filters}"
    )


def _leftovers(measures: tuple[Measure, ...], columns: dict[str, str], log: DayLog) -> str:
    """Events that no filter of their type lets pass, but whose id may come again: under the name of their type."""
    unit, event_type = as_id(UNIT_COLUMN, columns[UNIT_COLUMN]), as_text("event_type", columns["event_type"])
    event_id, happened = _event_id(columns), utc("timestamp", columns["timestamp"], log)
    types = [leftover.event_type for leftover in leftovers_of(measures)]
    passes = " or ".join(
        f"({event_type} = {literal(m.event_type)} and {condition(m.where, lambda name: as_text(name, columns[name]))})"
        for m in measures
        if m.event_type in types
    )
    return (
        f"select {unit} as unit_id, {event_type} as measure, {happened} as happened, cast(null as double) as amount, "
        f"true as is_counted, {event_id} as event_id from raw_outcomes where {event_type} in "
        f"({', '.join(map(literal, types))}) and {event_id} is not null and {unit} is not null "
        f"and {happened} is not null and not coalesce({passes}, false)"
    )


def _number(column: str, type_: str) -> str:
    given = as_text(column, type_) if type_ == "JSON" else identifier(column)
    return f"try_cast({given} as double)"


def _refuse_what_cannot_count(db: Database, log: DayLog, measures: tuple[Measure, ...]) -> None:
    """Raises ContractBroken when a row that a metric reads belongs to nobody, to no time, or has no number."""

    def example() -> str:
        shown = ("timestamp", UNIT_COLUMN, "event_type", *(measure.column for measure in measures))
        return first_of_them(log, shown, lambda part, types: _cannot_count(measures, part, types))

    without_time, without_unit, unreadable = db.execute(statement("outcome_contract")).fetchall()[0]
    refuse_nulls(log, ("timestamp", UNIT_COLUMN), [without_time, without_unit], example)
    if unreadable:
        label, count = db.execute(
            "select measure, count(*) from measured_rows where not is_counted "
            "and (amount is null or not isfinite(amount)) group by measure order by measure limit 1"
        ).fetchall()[0]
        broken = next(measure for measure in measures if measure.label == label)
        raise ContractBroken(
            f"log 'outcomes', day {log.day}: {broken.column} of {count} {broken.event_type!r} events in {log.folder} "
            "is missing or not a finite number; correct the log, because counting it as 0 would move the mean."
            f"{example()}"
        )


def _cannot_count(measures: tuple[Measure, ...], log: DayLog, types: dict[str, str]) -> str:
    """SQL text: whether a row that a metric reads belongs to nobody or to no time, or has no number."""
    event_type, unit = text_of(types, "event_type"), id_of(types, UNIT_COLUMN)
    happened = utc("timestamp", types["timestamp"], log) if "timestamp" in types else "null"
    wrong = []
    for measure in measures:
        passes = [f"{event_type} = {literal(measure.event_type)}"]
        passes += [condition(measure.where, lambda name: text_of(types, name))] if measure.where else []
        reasons = [f"{happened} is null", f"{unit} is null"]
        if measure.column:
            number = _number(measure.column, types[measure.column]) if measure.column in types else "null"
            reasons.append(f"not coalesce(isfinite({number}), false)")
        wrong.append(f"({' and '.join(passes)} and ({' or '.join(reasons)}))")
    return " or ".join(wrong)


def _has_ids_that_differ(db: Database, measures: tuple[Measure, ...]) -> bool:
    """Whether rows of one id differ where a filter may let the later one pass; then makes the view `earliest_rows`."""
    filtered = ", ".join(literal(label) for labels in filtered_events(measures).values() for label in labels)
    if not filtered:
        return False
    make(db, "ids_that_differ", filled("ids_that_differ", same_event=same_event(measures), filtered=filtered))
    show(db, "earliest_rows", filled("earliest_rows", same_event=same_event(measures)))
    return one(db, "select count(*) from ids_that_differ") > 0


def _has_repeats(db: Database) -> bool:
    """Whether some event_id may stand twice among the rows of a measure; see `exposure_log.has_repeats`."""
    make(db, "repeated_events", statement("repeated_events"))
    return one(db, "select count(*) from repeated_events") > 0
