"""Events of the A/A phase: what has the id of one of them was counted then, and counts no second time in the test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from abflow.engine.instants import midnight
from abflow.engine.statements import read, show
from abflow.engine.unit_day import Filed
from abflow.logs.database import Database
from abflow.logs.reading import literal


def show_aa_events(db: Database, aa: Sequence[Filed]) -> list[str]:
    """Make the view `aa_events`, and return a query of it; none where no event has an id.

    Rows after the end of the phase were counted by nobody, and are nobody's repeats.

    Args:
        db: A connection.
        aa: The days of the A/A phase.
    """
    files = [day.events for day in aa if day.has_ids]
    if not files:
        return []
    read(db, "files_of_aa", files)
    end = midnight(max(day.day for day in aa) + timedelta(days=1))
    show(db, "aa_events", f"select * from files_of_aa where happened < timestamp {literal(str(end))}")
    return ["select * from aa_events"]
