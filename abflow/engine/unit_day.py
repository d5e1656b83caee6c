"""One day of both logs: what was read, and where the partitions made of it lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from abflow.engine.exposure_day import ExposureDay, Served
from abflow.engine.inputs import digest_of
from abflow.engine.outcome_day import OutcomeDay


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDay:
    """What the partitions of one day hold, and what was left out of them."""

    exposure_log: ExposureDay
    outcome_log: OutcomeDay

    @property
    def day(self) -> date:
        """The UTC day."""
        return self.exposure_log.day

    @property
    def inputs(self) -> str:
        """Hash of what both partitions were made from."""
        return digest_of(exposures=self.exposure_log.inputs, outcomes=self.outcome_log.inputs)

    @property
    def has_ids(self) -> bool:
        """Whether any row that a metric reads may be repeated on another day."""
        return self.outcome_log.has_ids or self.exposure_log.has_ids

    @property
    def served(self) -> tuple[Served, ...]:
        """Who answered."""
        return self.exposure_log.served

    @property
    def events(self) -> dict[str, int]:
        """Events by type."""
        return self.outcome_log.events


class Filed(Protocol):
    """The files of a day that hold single rows, all of one shape."""

    @property
    def day(self) -> date:
        """The UTC day."""

    @property
    def events(self) -> Path:
        """One row per event and measure."""

    @property
    def exposure_rows(self) -> Path | None:
        """Single exposures in the shape of events; None when no metric reads them."""

    @property
    def has_ids(self) -> bool:
        """Whether any event has an event_id."""

    @property
    def largest(self) -> dict[str, float]:
        """The largest size of a measured value, by measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A day's manifest, and the folders of its files."""

    made: UnitDay
    exposures: Path
    outcomes: Path

    @property
    def day(self) -> date:
        """The UTC day."""
        return self.made.day

    @property
    def units(self) -> Path:
        """One row per unit of the experiment and day of its exposures."""
        return self.exposures / self.made.exposure_log.files[0]

    @property
    def other_units(self) -> Path | None:
        """One row per unit of another experiment; None when the log has no other."""
        return self._exposure_file("others-")

    @property
    def exposure_rows(self) -> Path | None:
        """Single exposures in the shape of events; None when no metric reads them."""
        return self._exposure_file("rows-")

    @property
    def requests(self) -> Path | None:
        """Ids that are compared with those of other days; None when the log has none."""
        return self._exposure_file("requests-")

    @property
    def events(self) -> Path:
        """One row per event and measure."""
        return self.outcomes / self.made.outcome_log.files[0]

    @property
    def event_files(self) -> list[Path]:
        """Every file with rows that metrics read, all of one shape."""
        return [self.events, *([self.exposure_rows] if self.exposure_rows else [])]

    @property
    def has_ids(self) -> bool:
        """Whether any event has an event_id."""
        return self.made.outcome_log.has_ids

    @property
    def last_day(self) -> date | None:
        """The UTC day of the last row in any of the files."""
        latest = self.made.outcome_log.latest
        days = (self.made.exposure_log.last_day, latest.date() if latest else None)
        return max((day for day in days if day), default=None)

    @property
    def largest(self) -> dict[str, float]:
        """The largest size of a measured value, by measure."""
        return self.made.exposure_log.largest | self.made.outcome_log.largest

    def _exposure_file(self, kind: str) -> Path | None:
        return next((self.exposures / name for name in self.made.exposure_log.files if name.startswith(kind)), None)
