"""Ids of requests, kept of every day so that those that come again on another day can be counted (rule 1.7)."""

from __future__ import annotations

from pathlib import Path

from abflow.engine.filing import HIGHEST_KEY, LOWEST_KEY, low_key_of
from abflow.engine.statements import filled, write
from abflow.logs.database import Database

# Of one day. Ids are compared by their digests, the lowest ones of a busy day, so that all days compare the same ids.
MOST_COMPARED = 1_000_000


def highest_compared(exposures: int) -> int:
    """The highest digest of an id that is compared: all of them on a day of so many exposures or fewer."""
    if exposures <= MOST_COMPARED:
        return HIGHEST_KEY
    return LOWEST_KEY + (HIGHEST_KEY - LOWEST_KEY) * MOST_COMPARED // exposures


def write_requests(db: Database, file: Path, *, experiment: str, highest: int) -> None:
    """Write the ids of a day that are compared with those of other days."""
    query = filled("requests_compared", id_low=low_key_of("request_id"))
    write(db, query, file, experiment=experiment, highest=highest)
