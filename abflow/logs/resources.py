"""What DuckDB may take of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What DuckDB may take of the machine.

    Attributes:
        threads: By default every core.
        memory_limit: Such as 4GB; by default 80 % of the memory.
        spill_folder: Where rows go that do not fit; by default a folder of its own, which is removed at the end.
    """

    threads: int | None = None
    memory_limit: str | None = None
    spill_folder: Path | None = None


WHOLE_MACHINE = Resources()
