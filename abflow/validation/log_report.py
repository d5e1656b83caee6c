"""What the checks of a day's log found, and whether the day may be used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from abflow.errors import ContractBroken


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractCheck:
    """One promise of the log, kept or broken.

    Attributes:
        unexpected_count: Rows that break the promise.
        unexpected_percent: The same in percent of all rows.
        samples: A few of the values that break it, as they were logged.
    """

    name: str
    column: str
    passed: bool
    unexpected_count: int
    unexpected_percent: float
    samples: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What a day's shadow log looks like."""

    day: date
    rows: int
    files: tuple[str, ...]
    checks: tuple[ContractCheck, ...]

    @property
    def broken(self) -> tuple[ContractCheck, ...]:
        """The promises that do not hold."""
        return tuple(check for check in self.checks if not check.passed)


def require_contract(report: LogReport) -> None:
    """Refuse a day whose log breaks its contract, one line per broken promise."""
    if not report.broken:
        return
    more = f" and {len(report.files) - 1} more" if len(report.files) > 1 else ""
    lines = [f"shadow log of {report.day} ({report.files[0]}{more}): {c.sentence}" for c in report.broken]
    raise ContractBroken("\n".join(lines))
