"""What became of the exposure log's rows, and which requests come again on another day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from abflow.analysis.attribution import ExposureRows, RequestsAgain
from abflow.engine.filing import HIGHEST_KEY, LOWEST_KEY
from abflow.engine.statements import read, rows, statement
from abflow.engine.unit_day import Partition
from abflow.logs.database import Database
from abflow.spec.calendar import Period


def exposure_rows(db: Database, period: Period, partitions: Sequence[Partition], *, end: date) -> ExposureRows:
    """What became of the exposure log's rows in the files of a phase's days.

    Args:
        db: Any connection.
        period: The phase.
        partitions: Its days.
        end: The cut-off, a day that does not count any more.
    """
    logs = [partition.made.exposure_log for partition in partitions]
    return ExposureRows(
        counted=sum(log.exposures for log in logs),
        repeated=sum(log.repeated for log in logs),
        other_experiments=sum(log.other_experiments for log in logs),
        again=_again(db, period, partitions, end=end),
    )


def _again(db: Database, period: Period, partitions: Sequence[Partition], *, end: date) -> RequestsAgain | None:
    files = [partition.requests for partition in partitions if partition.requests]
    if not files:
        return None
    read(db, "requests_compared", files)
    limits = (partition.made.exposure_log.highest_compared for partition in partitions)
    highest = min(limit for limit in limits if limit is not None)
    (found,) = rows(db, statement("requests_again"), highest=highest, start=period.start, until=end)
    return RequestsAgain(share=(highest - LOWEST_KEY) / (HIGHEST_KEY - LOWEST_KEY), **found)
