"""The exposure log of a day under the experiment's contract: what can count, and every request once."""

from __future__ import annotations

from typing import Any, NoReturn

from abflow.engine.filing import UNIT_COLUMN, refuse_nulls
from abflow.engine.measures import Measure, columns_needed, measures_of
from abflow.engine.row_filters import condition
from abflow.engine.statements import filled, make, one, show, statement
from abflow.engine.wrong_rows import Types, first_of_them, id_of, number_of, text_of
from abflow.errors import ContractBroken
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
from abflow.spec.experiment import ExperimentSpec

NEW_USER = "is_new_user"
PROPENSITY = "variant_propensity"


def open_exposures(db: Database, spec: ExperimentSpec, log: DayLog) -> dict[str, str]:
    """Make the view of the log's rows, in our names and types; returns the columns that the log has."""
    columns = open_day(db, log, view="raw_exposures", as_json=True)
    needed = dict.fromkeys(("timestamp", "experiment_id", UNIT_COLUMN, "variant"), "the exposure log")
    needed |= {segment: f"segment {segment}" for segment in spec.segments}
    # What is there only when a call went wrong may be absent where none did.
    read = columns_needed(spec, of_exposures=True)
    needed |= {name: why for name, why in read.items() if name not in ("error", "fallback")}
    require_columns(log, columns, needed)

    measured = {measure.column for measure in exposure_measures(spec) if measure.column}
    context = ", ".join(f"{identifier(name)} := {text_of(columns, name)}" for name in wanted_context(spec))
    amounts = "".join(f", {number_of(columns, name)} as {identifier('measured ' + name)}" for name in sorted(measured))
    filtered = {name for measure in exposure_measures(spec) for name in measure.where}
    amounts += "".join(f", {_filtered(columns, name)} as {filtered_column(name)}" for name in sorted(filtered))
    with reading(log):
        # Text is parsed once; Parquet is cheap to read again, and only the columns that a query needs.
        kind = "view" if log.format is LogFormat.PARQUET else "table"
        db.execute(
            f"create or replace temp {kind} exposure_rows as select {utc('timestamp', columns['timestamp'], log)} "
            f"as happened, {text_of(columns, 'experiment_id')} as experiment_id, "
            f"{id_of(columns, UNIT_COLUMN)} as unit_id, {text_of(columns, 'variant')} as variant, "
            f"{id_of(columns, 'request_id')} as request_id, {text_of(columns, 'model_version')} as model_version, "
            f"{_fallback(columns)} as fallback, {_propensity(columns)} as propensity, "
            f"struct_pack({context}) as context, {_failed(columns)} as failed{amounts} "
            "from raw_exposures"
        )
    return columns


def filtered_column(column: str) -> str:
    """Where the view has the text of a column that some metric filters by."""
    return identifier("filtered " + column)


def _fallback(columns: Types) -> str:
    return f"coalesce({as_boolean('fallback', columns['fallback'])}, false)" if "fallback" in columns else "false"


def _failed(columns: Types) -> str:
    negative = f"coalesce({number_of(columns, 'latency_ms')} < 0, false)"
    return f"coalesce({text_of(columns, 'error')}, '') <> '' or {negative}"


def _filtered(columns: Types, name: str) -> str:
    """A column as filters read it."""
    return f"cast({_fallback(columns)} as varchar)" if name == "fallback" else text_of(columns, name)


def _propensity(columns: dict[str, str]) -> str:
    """The probability of the variant that a row names; what is there and no number becomes NaN."""
    if PROPENSITY not in columns:
        return "cast(null as double)"
    number, text = (read(PROPENSITY, columns[PROPENSITY]) for read in (as_number, as_text))
    return f"coalesce({number}, case when coalesce({text}, '') <> '' then cast('nan' as double) end)"


def wanted_context(spec: ExperimentSpec) -> list[str]:
    """Columns whose value at a unit's first exposure is kept; new against established users are always told apart."""
    return sorted({*spec.segments, NEW_USER})


def exposure_measures(spec: ExperimentSpec) -> tuple[Measure, ...]:
    """What the metrics read of the exposure log."""
    return tuple(measure for measure in measures_of(spec) if measure.of_exposures)


def can_count(spec: ExperimentSpec, kind: dict[str, Any]) -> bool:
    """Whether exposures of a kind belong to a variant that could have been theirs, or to another experiment."""
    if kind["experiment_id"] != spec.experiment:
        return kind["experiment_id"] is not None
    return kind["variant"] in spec.variants and not kind["of_impossible_propensity"]


def refuse_what_cannot_count(db: Database, spec: ExperimentSpec, log: DayLog) -> NoReturn:
    """Say what is wrong with a log in which some rows cannot count.

    Raises:
        ContractBroken: A row of this experiment belongs to nobody, to no time or to an unknown variant, or names a
            probability that its variant cannot have had.
    """

    def example() -> str:
        shown = ("timestamp", "experiment_id", UNIT_COLUMN, "variant", PROPENSITY)
        return first_of_them(log, shown, lambda part, types: _cannot_count(spec, part, types))

    parameters = {"experiment": spec.experiment, "variants": list(spec.variants)}
    unknown, impossible, *nulls = db.execute(statement("exposure_contract"), parameters).fetchall()[0]
    refuse_nulls(log, ("experiment_id", "timestamp", UNIT_COLUMN, "variant"), nulls, example)
    if unknown:
        name, count = db.execute(
            "select variant, count(*) from exposure_rows where experiment_id = $experiment "
            "and not list_contains($variants, variant) group by variant order by variant limit 1",
            parameters,
        ).fetchall()[0]
        raise ContractBroken(
            f"log 'exposures', day {log.day}: {count} rows of {spec.experiment} name the variant {name!r}, which "
            f"the experiment file does not have ({', '.join(spec.variants)}); add it there, or correct the log."
            f"{example()}"
        )
    raise ContractBroken(
        f"log 'exposures', day {log.day}: {PROPENSITY} in {impossible} rows of {spec.experiment} is no number "
        f"above 0 and up to 1 in {log.folder}; it is the probability of the variant that the row names. Correct "
        f"the log, or leave the value empty where nobody knows it.{example()}"
    )


def _cannot_count(spec: ExperimentSpec, log: DayLog, types: dict[str, str]) -> str:
    """SQL text: whether a row of the log belongs to nobody, to no time or to an unknown variant, or cannot be true."""
    experiment, variant = (text_of(types, name) for name in ("experiment_id", "variant"))
    unit = id_of(types, UNIT_COLUMN)
    happened = utc("timestamp", types["timestamp"], log) if "timestamp" in types else "null"
    variants = ", ".join(map(literal, spec.variants))
    return (
        f"{experiment} is null or ({experiment} = {literal(spec.experiment)} and ({happened} is null "
        f"or {unit} is null or {variant} is null or {variant} not in ({variants}) "
        f"or not {_propensity(types)} between 1e-100 and 1))"
    )


def refuse_without_number(spec: ExperimentSpec, log: DayLog, measure: Measure, *, exposures: int) -> NoReturn:
    """Say which exposures have no number where a metric reads one.

    Raises:
        ContractBroken: Their calls did not fail.
    """

    def has_none(_: DayLog, types: Types) -> str:
        number = number_of(types, measure.column)
        passes = condition(measure.where, lambda name: _filtered(types, name)) if measure.where else "true"
        mine = f"{text_of(types, 'experiment_id')} = {literal(spec.experiment)}"
        return f"{mine} and not ({_failed(types)}) and {passes} and not coalesce(isfinite({number}), false)"

    example = first_of_them(log, ("timestamp", UNIT_COLUMN, "variant", measure.column), has_none)
    raise ContractBroken(
        f"log 'exposures', day {log.day}: {measure.column} of {exposures} exposures whose call did not fail is "
        f"missing or not a finite number in {log.folder}; correct the log, or say so in `error`.{example}"
    )


def has_repeats(db: Database, spec: ExperimentSpec) -> bool:
    """Whether some request_id may stand twice; makes the table `repeated_requests` of their hashes.

    Ids of different hashes are different, so whole rows are compared only where a hash repeats.
    """
    make(db, "repeated_requests", statement("repeated_requests"), experiment=spec.experiment)
    return bool(one(db, "select count(*) from repeated_requests"))


def show_once(db: Database, spec: ExperimentSpec, *, repeats: bool) -> None:
    """Make the relation in which every request of the experiment stands once."""
    experiment = literal(spec.experiment)
    if not repeats:
        show(db, "exposures_once", f"select * from exposure_rows where experiment_id = {experiment}")
        return
    described = [str(row[0]) for row in db.execute("describe exposure_rows").fetchall()]
    first = ["happened", "unit_id", "variant", "model_version", "fallback"]
    rest = [name for name in described if name not in (*first, "experiment_id", "request_id")]
    earliest = ", ".join(f"{literal(name)}: e.{identifier(name)}" for name in (*first, *rest))
    make(db, "earliest_requests", filled("earliest_requests", earliest=f"{{{earliest}}}"), experiment=spec.experiment)
    columns = ", ".join(map(identifier, ("request_id", *first, *rest)))
    show(db, "exposures_once", filled("requests_once", columns=columns, experiment=experiment))
