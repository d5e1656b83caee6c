"""What a check and a gate say: pass, fail or insufficient, with the numbers and a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from abflow.spec.calendar import GateName


class Status(StrEnum):
    """The answer of one check."""

    PASS = "pass"
    WARN = "warn"
    INSUFFICIENT = "insufficient"
    FAIL = "fail"
    NOT_CHECKED = "not_checked"


class GateStatus(StrEnum):
    """The answer of a gate; a skipped phase is not a pass."""

    PASS = "pass"
    FAIL = "fail"
    INSUFFICIENT = "insufficient"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question with its answer.

    Attributes:
        sentence: The answer in words, with the numbers that a reader needs.
        numbers: The numbers behind it.
    """

    name: str
    status: Status
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A question that an experiment must pass before it goes on.

    Attributes:
        data_through: The last day whose data it has seen.
        continued: Why an insufficient gate lets the experiment go on all the same, or None.
    """

    gate: GateName
    status: GateStatus
    reason: str
    data_through: date
    checks: tuple[Check, ...] = ()
    continued: str | None = None

    @property
    def opens(self) -> bool:
        """Whether the experiment may go on."""
        if self.status is GateStatus.INSUFFICIENT:
            return self.continued is not None
        return self.status in (GateStatus.PASS, GateStatus.SKIPPED)

    @property
    def warnings(self) -> tuple[Check, ...]:
        """Checks that ride along without changing the answer."""
        return tuple(check for check in self.checks if check.status is Status.WARN)


def judge(gate: GateName, checks: Iterable[Check], *, data_through: date, passed: str) -> Gate:
    """A gate from its checks: the worst of fail, insufficient and pass; warnings do not count.

    Args:
        gate: The gate.
        checks: Its checks.
        data_through: The last day whose data the checks have seen.
        passed: The sentence for a pass.
    """
    listed = tuple(checks)
    for status, answer in ((Status.FAIL, GateStatus.FAIL), (Status.INSUFFICIENT, GateStatus.INSUFFICIENT)):
        found = [check for check in listed if check.status is status]
        if found:
            reason = " ".join(check.sentence for check in found)
            return Gate(gate=gate, status=answer, reason=reason, data_through=data_through, checks=listed)
    return Gate(gate=gate, status=GateStatus.PASS, reason=passed, data_through=data_through, checks=listed)


def skipped(gate: GateName, reason: str, *, data_through: date) -> Gate:
    """The gate of a phase that the experiment file skips."""
    return Gate(gate=gate, status=GateStatus.SKIPPED, reason=reason, data_through=data_through)
