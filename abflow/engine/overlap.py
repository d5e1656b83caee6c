"""Other experiments in the same log: which of our units were in them too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from abflow.analysis.population import Overlap
from abflow.engine.instants import midnight
from abflow.engine.statements import read, rows, statement
from abflow.engine.unit_day import Partition
from abflow.logs.database import Database


def overlaps(db: Database, partitions: Sequence[Partition], *, end: date) -> tuple[Overlap, ...]:
    """Enrolled units that were exposed in another experiment before the cut-off, by both first variants.

    Args:
        db: A connection with the units of a phase.
        partitions: The days of the phase.
        end: The cut-off, a day that does not count any more.
    """
    files = [partition.other_units for partition in partitions if partition.other_units]
    if not files:
        return ()
    read(db, "other_units", files)
    return tuple(Overlap(**row) for row in rows(db, statement("overlaps"), cut_off=midnight(end)))
