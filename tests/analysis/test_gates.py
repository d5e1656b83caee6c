"""A gate is the worst of its checks."""

from __future__ import annotations

from datetime import date

import pytest

from abflow.analysis.gates import Check, Gate, GateStatus, Status, judge, skipped
from abflow.spec.calendar import GateName

DAY = date(2026, 10, 7)


def check(status: Status, name: str = "one") -> Check:
    return Check(name=name, status=status, sentence=f"{name} is {status}.")


def judged(*statuses: Status) -> Gate:
    checks = [check(status, name) for name, status in zip("abc", statuses, strict=False)]
    return judge(GateName.AA, checks, data_through=DAY, passed="All is well.")


@pytest.mark.parametrize(
    ("statuses", "answer", "reason"),
    [
        ((Status.PASS, Status.INSUFFICIENT, Status.FAIL), GateStatus.FAIL, "c is fail."),
        ((Status.FAIL, Status.WARN, Status.FAIL), GateStatus.FAIL, "a is fail. c is fail."),
        ((Status.WARN, Status.INSUFFICIENT, Status.PASS), GateStatus.INSUFFICIENT, "b is insufficient."),
        ((Status.WARN, Status.NOT_CHECKED, Status.PASS), GateStatus.PASS, "All is well."),
        ((), GateStatus.PASS, "All is well."),
    ],
)
def test_the_worst_check_decides_and_gives_the_reason(
    statuses: tuple[Status, ...], answer: GateStatus, reason: str
) -> None:
    gate = judged(*statuses)
    assert (gate.status, gate.reason, gate.data_through) == (answer, reason, DAY)
    assert [each.status for each in gate.checks] == list(statuses)


def test_checks_are_read_once_even_from_a_generator() -> None:
    gate = judge(GateName.AA, (check(s) for s in (Status.PASS, Status.FAIL)), data_through=DAY, passed="")
    assert len(gate.checks) == 2
    assert gate.status is GateStatus.FAIL


def test_warnings_ride_along() -> None:
    gate = judged(Status.WARN, Status.PASS, Status.WARN)
    assert [each.name for each in gate.warnings] == ["a", "c"]
    assert gate.opens


@pytest.mark.parametrize(
    ("status", "continued", "opens"),
    [
        (GateStatus.PASS, None, True),
        (GateStatus.SKIPPED, None, True),
        (GateStatus.INSUFFICIENT, None, False),
        (GateStatus.INSUFFICIENT, "the date is fixed", True),
        (GateStatus.FAIL, None, False),
        (GateStatus.FAIL, "the date is fixed", False),
    ],
)
def test_only_a_pass_opens_a_gate_or_a_reason_where_too_little_is_known(
    status: GateStatus, continued: str | None, opens: bool
) -> None:
    gate = Gate(gate=GateName.SIZING, status=status, reason="", data_through=DAY, continued=continued)
    assert gate.opens is opens


def test_a_skipped_phase_is_no_pass_and_keeps_its_reason() -> None:
    gate = skipped(GateName.SHADOW, "nothing to mirror", data_through=DAY)
    assert (gate.status, gate.reason, gate.checks) == (GateStatus.SKIPPED, "nothing to mirror", ())
