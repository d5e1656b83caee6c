"""One day of the exposure log becomes a partition: units, and single rows where a metric needs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from abflow.engine.database import database
from abflow.engine.entries import units_query
from abflow.engine.exposure_log import (
    PROPENSITY,
    can_count,
    exposure_measures,
    has_repeats,
    open_exposures,
    refuse_what_cannot_count,
    show_once,
    wanted_context,
)
from abflow.engine.filing import FORMAT
from abflow.engine.inputs import digest_of
from abflow.engine.requests import highest_compared, write_requests
from abflow.engine.single_exposures import write_exposures
from abflow.engine.statements import filled, make, one, rows, statement, write
from abflow.logs.cost import count_read
from abflow.logs.database import Database
from abflow.logs.layout import DayLog
from abflow.logs.reading import literal, reading
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.experiment import ExperimentSpec


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
        asked: Hash of what was asked of the log: see `exposure_question`.
        files: Units; units of other experiments; ids of requests, where the log has some; single rows, where a metric
            needs them.
        rows: In the log.
        other_experiments: Rows of other experiments.
        repeated: Rows whose request_id had come before on its day.
        exposures: Rows that count.
        units: Units of the experiment.
        failed: Exposures whose call failed.
        context: Columns that are kept of a unit's first exposure.
        has_propensity: Whether the log says how likely each unit's variant was.
        has_ids: Whether single rows were written that have a request_id.
        highest_compared: Ids of requests whose digest is not higher are compared with those of other days; None when
            the log has none.
        last_day: The UTC day of the last exposure.
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
    asked: str | None = None  # manifests before format 10 have none
    highest_compared: int | None = None  # manifests before format 9 have none; their partitions are built again
    last_day: date | None = None  # manifests before format 7 have none; their partitions are built again
    largest: dict[str, float]
    served: tuple[Served, ...]


def exposure_inputs(spec: ExperimentSpec, log: DayLog) -> str:
    """Hash of everything the partition depends on: the day's files, and what the experiment reads of them."""
    return digest_of(format=FORMAT, engine=spec.engine, asked=exposure_question(spec), exposures=log.content_hash())


def exposure_question(spec: ExperimentSpec) -> str:
    """Hash of what the experiment reads of its exposure log, whatever that holds."""
    return digest_of(
        experiment=spec.experiment,
        variants=sorted(spec.variants),
        context=wanted_context(spec),
        measures=[measure.label for measure in exposure_measures(spec)],
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
    measures = exposure_measures(spec)
    with database(spec, resources) as db:
        columns = open_exposures(db, spec, log)
        context = tuple(column for column in wanted_context(spec) if column in columns)
        with reading(log):
            make(db, "exposure_sorts", statement("exposure_sorts"))
            kinds = list(rows(db, statement("exposure_kinds")))
            total = sum(kind["exposures"] for kind in kinds)
            count_read(rows=total)
            mine = [kind for kind in kinds if kind["experiment_id"] == spec.experiment]
            if not all(can_count(spec, kind) for kind in kinds):
                refuse_what_cannot_count(db, spec, log)
            named = sum(kind["exposures"] for kind in mine)
            others = total - named
            repeats = "request_id" in columns and has_repeats(db, spec)
            show_once(db, spec, repeats=repeats)
            served = list(rows(db, statement("served"))) if repeats else mine
            files = [f"units-{inputs[:16]}.parquet"]
            write(db, units_query(db, spec), folder / files[0])
            unit_days, broken, first_day, last_day = _kept(db, folder / files[0])
            if broken:
                refuse_what_cannot_count(db, spec, log)
            units = unit_days if first_day == last_day else _units(db, folder / files[0])
            if others:
                files.append(f"others-{inputs[:16]}.parquet")
                write(db, statement("other_units"), folder / files[-1], experiment=spec.experiment)
            highest = None
            if "request_id" in columns:
                files.append(f"requests-{inputs[:16]}.parquet")
                highest = highest_compared(named)
                write_requests(db, folder / files[-1], experiment=spec.experiment, highest=highest)
            largest: dict[str, float] = {}
            if measures:
                files.append(f"rows-{inputs[:16]}.parquet")
                largest = write_exposures(db, spec, log, measures, folder / files[-1], repeats=repeats)
    return ExposureDay(
        day=log.day,
        inputs=inputs,
        asked=exposure_question(spec),
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
        highest_compared=highest,
        last_day=last_day,
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


def _kept(db: Database, file: Path) -> tuple[int, int, date | None, date | None]:
    """Of a partition of exposures: its unit days, those of nobody or of no time, and its first and last day."""
    kept = next(rows(db, filled("units_kept", file=literal(str(file)))))
    return kept["unit_days"], kept["broken"], kept["first_day"], kept["last_day"]


def _units(db: Database, file: Path) -> int:
    return one(db, f"select count(distinct unit_id) from read_parquet({literal(str(file))})")
