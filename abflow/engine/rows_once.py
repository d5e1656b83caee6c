"""Single rows of the logs, each id once: what quantiles, histories and days since exposure are read from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from abflow.engine.measures import Measure
from abflow.engine.statements import make, one, read, show, statement
from abflow.engine.unit_day import Filed
from abflow.logs.database import Database
from abflow.logs.reading import literal


def show_rows_once(
    db: Database,
    partitions: Sequence[Filed],
    measures: Collection[Measure],
    *,
    until: datetime | None = None,
) -> None:
    """Make the view `rows_once`: unit_id, measure, happened and amount of every row, of rows with one id the earliest.

    A partition holds no id twice, so only ids that stand in the files of two days are looked at.

    Args:
        db: A connection.
        partitions: The days whose files are read; their rows may lie in other days.
        measures: What is read of them; at least one.
        until: Rows from this moment on are not asked for; no such row is the earliest of an id that stands before it.
    """
    of_exposures = [measure.of_exposures for measure in measures]
    outcomes = [] if all(of_exposures) else list(partitions)
    exposures = [(p.day, p.exposure_rows) for p in partitions if p.exposure_rows] if any(of_exposures) else []
    labels = ", ".join(sorted(literal(measure.label) for measure in measures))
    early = f"happened < timestamp {literal(str(until))}" if until else "true"
    read(db, "files_read", [*(p.events for p in outcomes), *(file for _, file in exposures)])
    show(db, "rows_read", f"select * from files_read where measure in ({labels}) and {early}")
    shared = ["select cast(null as varchar) as measure, cast(null as bigint) as id_low limit 0"]
    if with_ids := [p.events for p in outcomes if p.has_ids]:
        read(db, "files_with_ids", with_ids)
        show(db, "outcomes_with_ids", f"select * from files_with_ids where {early}")
        shared.append(statement("ids_of_outcomes"))
    if exposures:
        # A request counts once per UTC day: it stands in two files only when one of them is not the file of its day.
        filed = (f"select *, date '{day}' as day from read_parquet({literal(str(file))})" for day, file in exposures)
        show(db, "exposures_filed", " union all ".join(filed))
        shared.append(statement("ids_of_exposures"))
    make(db, "shared_ids", " union all ".join(f"({each})" for each in shared))
    make(db, "repeated_rows", statement("repeated_rows"))
    # Ids are long: they are only read where some stand twice.
    repeats = one(db, "select count(*) from repeated_rows")
    show(db, "rows_once", statement("rows_once") if repeats else statement("rows_as_filed"))
