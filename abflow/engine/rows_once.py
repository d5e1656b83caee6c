"""Single rows of the logs, each id once: what quantiles, histories and days since exposure are read from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from pathlib import Path

from abflow.engine.aa_events import show_aa_events
from abflow.engine.measures import Measure, same_event
from abflow.engine.statements import filled, make, one, read, show, statement
from abflow.engine.unit_day import Filed
from abflow.logs.database import Database
from abflow.logs.reading import literal


def show_rows_once(
    db: Database,
    partitions: Sequence[Filed],
    measures: Collection[Measure],
    *,
    every: Collection[Measure],
    aa: Sequence[Filed] = (),
    until: datetime | None = None,
) -> None:
    """Make the view `rows_once`: unit_id, measure, happened and amount of every row, of rows with one id the earliest.

    A partition holds no id twice, so only ids that stand in the files of two days are looked at.

    Args:
        db: A connection.
        partitions: The days whose files are read; their rows may lie in other days.
        measures: What is read of them; at least one.
        every: Everything that the partitions hold: the earliest row of an id may be of another measure.
        aa: Days of the A/A phase that are not read; a row that has the id of one of their events is a repeat.
        until: Rows from this moment on are not asked for; no such row is the earliest of an id that stands before it.
    """
    of_exposures = [measure.of_exposures for measure in measures]
    outcomes = [] if all(of_exposures) else list(partitions)
    exposures = [(p.day, p.exposure_rows) for p in partitions if p.exposure_rows] if any(of_exposures) else []
    labels = ", ".join(sorted(literal(measure.label) for measure in measures))
    early = f"happened < timestamp {literal(str(until))}" if until else "true"
    read(db, "files_read", [*(p.events for p in outcomes), *(file for _, file in exposures)])
    known = [f"select *, false as is_aa from files_read where {early}"]
    show(db, "rows_read", f"select * from files_read where measure in ({labels}) and {early}")
    shared = ["select cast(null as bigint) as id_low limit 0"]
    if with_ids := [p for p in outcomes if p.has_ids]:
        filed = [_filed(p.day, p.events) + f" where {early}" for p in with_ids]
        for query in show_aa_events(db, aa):
            known.append(f"select *, true as is_aa from ({query}) as aa")
            filed.append(f"select *, date '{aa[0].day}' as day from ({query}) as aa")
        show(db, "outcomes_filed", " union all ".join(filed))
        shared.append(statement("ids_of_outcomes"))
    if exposures:
        # A request counts once per UTC day: it stands in two files only when one of them is not the file of its day.
        show(db, "exposures_filed", " union all ".join(_filed(day, file) for day, file in exposures))
        shared.append(statement("ids_of_exposures"))
    show(db, "rows_known", " union all ".join(known))
    make(db, "shared_ids", " union ".join(f"({each})" for each in shared))
    make(db, "repeated_rows", filled("repeated_rows", same_event=same_event(every), labels=labels))
    # Ids are long: they are only read where some stand twice.
    repeats = one(db, "select count(*) from repeated_rows")
    show(db, "rows_once", statement("rows_once") if repeats else statement("rows_as_filed"))


def _filed(day: date, file: Path) -> str:
    return f"select *, date '{day}' as day from read_parquet({literal(str(file))}, hive_partitioning = false)"
