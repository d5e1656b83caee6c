"""Single rows of the exposure log, where a metric reads them, in the shape of events."""

from __future__ import annotations

from pathlib import Path

from abflow.engine.exposure_log import filtered_column, refuse_without_number
from abflow.engine.filing import key_of
from abflow.engine.measures import Measure
from abflow.engine.row_filters import condition
from abflow.engine.statements import write
from abflow.logs.database import Database
from abflow.logs.layout import DayLog
from abflow.logs.reading import identifier, literal
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import FAILED_EXPOSURES


def write_exposures(
    db: Database, spec: ExperimentSpec, log: DayLog, measures: tuple[Measure, ...], file: Path, *, repeats: bool
) -> dict[str, float]:
    """Write single exposures, in the shape of events; returns the largest value of each measure.

    A failed call is an exposure whose column has no number. Rows stand as in the log, and sorted where repeats were
    taken out of it, so that the same log always makes the same bytes.

    Raises:
        ContractBroken: A call that did not fail has no number.
    """
    selects, largest = [], {}
    for measure in measures:
        passes = [condition(measure.where, filtered_column)] if measure.where else []
        amount = "cast(null as double)"
        if measure.column:
            column = identifier("measured " + measure.column)
            amount = f"case when not failed then {column} end"
            unreadable, most = db.execute(
                f"select count(*) filter (where {column} is null or not isfinite({column})), max(abs({column})) "
                f"from exposures_once where {' and '.join(['not failed', *passes])}"
            ).fetchall()[0]
            if unreadable:
                refuse_without_number(spec, log, measure, exposures=unreadable)
            largest[measure.label] = float(most or 0)
        if measure.event_type == FAILED_EXPOSURES:
            passes.append("failed")
        selects.append(
            f"select unit_id, {literal(measure.label)} as measure, happened, {amount} as amount, "
            f"{key_of('request_id || chr(32) || cast(cast(happened as date) as varchar)')} from exposures_once"
            f"{' where ' + ' and '.join(passes) if passes else ''}"
        )
    order = " order by unit_id, happened, measure, id_high, id_low, amount" if repeats else ""
    write(db, f"select * from ({' union all '.join(selects)}) as single{order}", file)
    return largest
