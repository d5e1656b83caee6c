"""One day of the exposure log becomes a partition: units, and single rows where a metric needs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, NoReturn

from abflow.engine.database import database
from abflow.engine.entries import units_query
from abflow.engine.inputs import digest_of
from abflow.engine.measures import Measure, columns_needed, measures_of
from abflow.engine.row_filters import condition
from abflow.engine.statements import filled, make, rows, show, statement, write
from abflow.errors import ContractBroken
from abflow.logs.cost import count_read
from abflow.logs.database import Database
from abflow.logs.layout import DayLog, LogFormat
from abflow.logs.reading import (
    as_boolean,
    as_number,
    as_text,
    identifier,
    literal,
    open_day,
    reading,
    require_columns,
    utc,
)
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import FAILED_EXPOSURES

FORMAT = 6  # of the partition; raised when its columns change, so that old partitions are built again
UNIT_COLUMN = "user_id"
NEW_USER = "is_new_user"
PROPENSITY = "variant_propensity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How often a model version answered for a variant."""

    variant: str
    model_version: str | None
    fallback: bool
    exposures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureDay:
    """What the partition of one day's exposures holds, and what was left out of it.

    Attributes:
        inputs: Hash of what it was made from, which also names the files.
        files: Units; units of other experiments; single rows, where a metric needs them.
        rows: In the log.
        other_experiments: Rows of other experiments.
        repeated: Rows whose request_id had come before on its day.
        exposures: Rows that count.
        units: Units of the experiment.
        failed: Exposures whose call failed.
        context: Columns that are kept of a unit's first exposure.
        has_propensity: Whether the log says how likely each unit's variant was.
        has_ids: Whether single rows were written that have a request_id.
        latest: Time of the last exposure.
        largest: The largest size of a measured value, by measure.
    """

    day: date
    inputs: str
    files: tuple[str, ...]
    rows: int
    other_experiments: int
    repeated: int
    exposures: int
    units: int
    failed: int
    context: tuple[str, ...]
    has_propensity: bool
    has_ids: bool
    latest: datetime | None
    largest: dict[str, float]
    served: tuple[Served, ...]


def exposure_inputs(spec: ExperimentSpec, log: DayLog) -> str:
    """Hash of everything the partition depends on: the day's files, and what the experiment reads of them."""
    return digest_of(
        format=FORMAT,
        engine=spec.engine,
        experiment=spec.experiment,
        variants=sorted(spec.variants),
        context=_wanted_context(spec),
        measures=[measure.label for measure in _measures(spec)],
        exposures=log.content_hash(),
    )


def build_exposure_day(
    spec: ExperimentSpec, log: DayLog, folder: Path, *, resources: Resources = WHOLE_MACHINE
) -> ExposureDay:
    """Write one day's exposures into `folder`, a pure function of that day's log.

    Raises:
        DataError: A file cannot be read.
        ContractBroken: The log is not what the spec promised.
    """
    inputs = exposure_inputs(spec, log)
    measures = _measures(spec)
    with database(spec, resources) as db:
        columns = _open(db, spec, log)
        context = tuple(column for column in _wanted_context(spec) if column in columns)
        with reading(log):
            kinds = list(rows(db, statement("exposure_kinds")))
            total = sum(kind["exposures"] for kind in kinds)
            count_read(rows=total)
            mine = [kind for kind in kinds if kind["experiment_id"] == spec.experiment]
            if not all(_can_count(spec, kind) for kind in kinds):
                _refuse_what_cannot_count(db, spec, log)
            named = sum(kind["exposures"] for kind in mine)
            others = total - named
            repeats = "request_id" in columns and _has_repeats(db, spec)
            _show_once(db, spec, repeats=repeats)
            served = list(rows(db, statement("served"))) if repeats else mine
            files = [f"units-{inputs[:16]}.parquet"]
            write(db, units_query(db, spec), folder / files[0])
            if others:
                files.append(f"others-{inputs[:16]}.parquet")
                write(db, statement("other_units"), folder / files[-1], experiment=spec.experiment)
            largest: dict[str, float] = {}
            if measures:
                files.append(f"rows-{inputs[:16]}.parquet")
                largest = _write_rows(db, log, measures, folder / files[-1])
            units, latest, nobody = db.execute(
                "select count(distinct unit_id), max(last_exposure), count(*) filter (where unit_id is null) from "
                f"read_parquet({literal(str(folder / files[0]))})"
            ).fetchall()[0]
            if nobody:
                _refuse_what_cannot_count(db, spec, log)
    return ExposureDay(
        day=log.day,
        inputs=inputs,
        files=tuple(files),
        rows=total,
        other_experiments=others,
        repeated=named - sum(kind["exposures"] for kind in served),
        exposures=sum(kind["exposures"] for kind in served),
        units=units,
        failed=sum(kind["failed"] for kind in served),
        context=context,
        has_propensity=PROPENSITY in columns,
        has_ids=bool(measures) and "request_id" in columns,
        latest=latest,
        largest=largest,
        served=tuple(
            Served(
                variant=kind["variant"],
                model_version=kind["model_version"],
                fallback=kind["fallback"],
                exposures=kind["exposures"],
            )
            for kind in served
        ),
    )


def _wanted_context(spec: ExperimentSpec) -> list[str]:
    """Columns whose value at a unit's first exposure is kept; new against established users are always told apart."""
    return sorted({*spec.segments, NEW_USER})


def _measures(spec: ExperimentSpec) -> tuple[Measure, ...]:
    return tuple(measure for measure in measures_of(spec) if measure.of_exposures)


def _open(db: Database, spec: ExperimentSpec, log: DayLog) -> dict[str, str]:
    """Make the view of the log's rows, in our names and types; returns the columns that the log has."""
    columns = open_day(db, log, view="raw_exposures", as_json=True)
    needed = dict.fromkeys(("timestamp", "experiment_id", UNIT_COLUMN, "variant"), "the exposure log")
    needed |= {segment: f"segment {segment}" for segment in spec.segments}
    # What is there only when a call went wrong may be absent where none did.
    read = columns_needed(spec, of_exposures=True)
    needed |= {name: why for name, why in read.items() if name not in ("error", "fallback")}
    require_columns(log, columns, needed)

    def text(name: str) -> str:
        return as_text(name, columns[name]) if name in columns else "cast(null as varchar)"

    def number(name: str) -> str:
        return as_number(name, columns[name]) if name in columns else "cast(null as double)"

    measured = {measure.column for measure in _measures(spec) if measure.column}
    fallback = f"coalesce({as_boolean('fallback', columns['fallback'])}, false)" if "fallback" in columns else "false"
    context = ", ".join(f"{identifier(name)} := {text(name)}" for name in _wanted_context(spec))
    amounts = "".join(f", {number(name)} as {identifier('measured ' + name)}" for name in sorted(measured))
    filtered = {name for measure in _measures(spec) for name in measure.where}
    texts = {name: f"cast({fallback} as varchar)" if name == "fallback" else text(name) for name in filtered}
    amounts += "".join(f", {texts[name]} as {_filtered(name)}" for name in sorted(filtered))
    with reading(log):
        # Text is parsed once; Parquet is cheap to read again, and only the columns that a query needs.
        kind = "view" if log.format is LogFormat.PARQUET else "table"
        db.execute(
            f"create or replace temp {kind} exposure_rows as select {utc('timestamp', columns['timestamp'], log)} "
            f"as happened, {text('experiment_id')} as experiment_id, {text(UNIT_COLUMN)} as unit_id, "
            f"{text('variant')} as variant, {text('request_id')} as request_id, "
            f"{text('model_version')} as model_version, {fallback} "
            f"as fallback, {_propensity(columns)} as propensity, struct_pack({context}) as context, "
            f"coalesce({text('error')}, '') <> '' or coalesce({number('latency_ms')} < 0, false) as failed{amounts} "
            "from raw_exposures"
        )
    return columns


def _filtered(column: str) -> str:
    """Where the view has the text of a column that some metric filters by."""
    return identifier("filtered " + column)


def _propensity(columns: dict[str, str]) -> str:
    """The probability of the variant that a row names; what is there and no number becomes NaN."""
    if PROPENSITY not in columns:
        return "cast(null as double)"
    number, text = (read(PROPENSITY, columns[PROPENSITY]) for read in (as_number, as_text))
    return f"case when coalesce({text}, '') <> '' then coalesce({number}, cast('nan' as double)) end"


def _can_count(spec: ExperimentSpec, kind: dict[str, Any]) -> bool:
    """Whether exposures of a kind belong to a time and a variant, or to another experiment."""
    if kind["experiment_id"] != spec.experiment:
        return kind["experiment_id"] is not None
    return kind["variant"] in spec.variants and not kind["without_time"] and not kind["of_impossible_propensity"]


def _refuse_what_cannot_count(db: Database, spec: ExperimentSpec, log: DayLog) -> NoReturn:
    """Say what is wrong with a log in which some rows cannot count.

    Raises:
        ContractBroken: A row of this experiment belongs to nobody, to no time or to an unknown variant, or names a
            probability that its variant cannot have had.
    """
    parameters = {"experiment": spec.experiment, "variants": list(spec.variants)}
    unknown, impossible, *nulls = db.execute(statement("exposure_contract"), parameters).fetchall()[0]
    refuse_nulls(log, ("experiment_id", "timestamp", UNIT_COLUMN, "variant"), nulls)
    if unknown:
        name, count = db.execute(
            "select variant, count(*) from exposure_rows where experiment_id = $experiment "
            "and not list_contains($variants, variant) group by variant order by variant limit 1",
            parameters,
        ).fetchall()[0]
        raise ContractBroken(
            f"log 'exposures', day {log.day}: {count} rows of {spec.experiment} name the variant {name!r}, which "
            f"the experiment file does not have ({', '.join(spec.variants)}); add it there, or correct the log"
        )
    raise ContractBroken(
        f"log 'exposures', day {log.day}: {PROPENSITY} in {impossible} rows of {spec.experiment} is no number "
        f"above 0 and up to 1 in {log.folder}; it is the probability of the variant that the row names. Correct "
        "the log, or leave the value empty where nobody knows it"
    )


def refuse_nulls(log: DayLog, columns: tuple[str, ...], nulls: list[int]) -> None:
    """Refuse a day in which rows have nothing readable in a column that every row needs.

    Raises:
        ContractBroken: There are such rows.
    """
    found = [f"{column} in {count} rows" for column, count in zip(columns, nulls, strict=True) if count]
    if found:
        raise ContractBroken(
            f"log {log.log!r}, day {log.day}: {log.folder} has no readable {', '.join(found)}; "
            "these rows belong to nobody or to no time. Correct the log and run the day again"
        )


def _show_once(db: Database, spec: ExperimentSpec, *, repeats: bool) -> None:
    """Make the relation in which every request of the experiment stands once."""
    if not repeats:
        show(db, "exposures_once", f"select * from exposure_rows where experiment_id = {literal(spec.experiment)}")
        return
    described = [str(row[0]) for row in db.execute("describe exposure_rows").fetchall()]
    first = ["happened", "unit_id", "variant", "model_version", "fallback"]
    rest = [name for name in described if name not in (*first, "experiment_id", "request_id")]
    earliest = ", ".join(f"{literal(name)}: {identifier(name)}" for name in (*first, *rest))
    columns = ", ".join(map(identifier, (*first, *rest)))
    query = filled("earliest_requests", columns=columns, earliest=f"{{{earliest}}}")
    make(db, "exposures_once", query, experiment=spec.experiment)


def _has_repeats(db: Database, spec: ExperimentSpec) -> bool:
    """Whether some request_id stands twice.

    As many different hashes as ids mean that no two ids are equal; hashes that collide only cost the slower way.
    """
    named, different = db.execute(
        "select count(request_id), count(distinct hash(request_id)) from exposure_rows "
        "where experiment_id = $experiment and request_id is not null",
        {"experiment": spec.experiment},
    ).fetchall()[0]
    return bool(named != different)


def _write_rows(
    db: Database,
    log: DayLog,
    measures: tuple[Measure, ...],
    file: Path,
) -> dict[str, float]:
    """Write single exposures, in the shape of events; returns the largest value of each measure.

    A failed call is an exposure whose column has no number.
    """
    selects, largest = [], {}
    for measure in measures:
        passes = [condition(measure.where, _filtered)] if measure.where else []
        amount = "cast(null as double)"
        if measure.column:
            column = identifier("measured " + measure.column)
            amount = f"case when not failed then {column} end"
            unreadable, most = db.execute(
                f"select count(*) filter (where {column} is null or not isfinite({column})), max(abs({column})) "
                f"from exposures_once where {' and '.join(['not failed', *passes])}"
            ).fetchall()[0]
            if unreadable:
                raise ContractBroken(
                    f"log 'exposures', day {log.day}: {measure.column} of {unreadable} exposures whose call did not "
                    f"fail is missing or not a finite number in {log.folder}; correct the log, or say so in `error`"
                )
            largest[measure.label] = float(most or 0)
        if measure.event_type == FAILED_EXPOSURES:
            passes.append("failed")
        selects.append(
            f"select unit_id, {literal(measure.label)} as measure, happened, {amount} as amount, "
            f"{key_of('request_id || chr(32) || cast(cast(happened as date) as varchar)')} from exposures_once"
            f"{' where ' + ' and '.join(passes) if passes else ''}"
        )
    write(db, " union all ".join(selects), file)
    return largest


# Of rows without ids.
NO_KEY = "cast(null as bigint) as id_high, cast(null as bigint) as id_low"


def key_of(text: str) -> str:
    """Two columns that hold the MD5 of an id: equal ids have equal keys, and 16 bytes are read faster than text."""
    number = f"md5_number({text})"
    # Parquet knows no unsigned number of 64 bits that every reader understands.
    return (
        f"cast(cast({number} >> 64 as hugeint) - 9223372036854775808 as bigint) as id_high, "
        f"cast(cast({number} & 18446744073709551615 as hugeint) - 9223372036854775808 as bigint) as id_low"
    )
