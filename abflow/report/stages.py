"""The way of an experiment: shadow, A/A, sizing, test; what each asked and answered."""

from __future__ import annotations

from dataclasses import dataclass

from abflow.analysis.gates import Check, Gate, GateStatus, Status
from abflow.analysis.peeking import peeks_in_words
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Decision
from abflow.report.evidence import Evidence
from abflow.report.headline import GATE_TITLE
from abflow.report.tones import CHECK_IN_WORDS, OF_CHECK, OF_GATE, Tone
from abflow.spec.calendar import GateName

QUESTION = {
    GateName.SHADOW: "May real users meet the new version at all?",
    GateName.AA: "Do assignment, logging and metrics tell the truth?",
    GateName.SIZING: "Can this test answer its question in its time?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """One check of a table."""

    name: str
    word: str
    tone: Tone
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One station on the way.

    Attributes:
        when: The last day whose data it has seen, or when it is due.
        passed_over: That the experiment went on without a pass, or None.
        because: The reason given, where it is not the gate's own.
        warnings: Checks that ride along.
    """

    title: str
    question: str
    word: str
    tone: Tone
    reason: str
    when: str
    passed_over: str | None = None
    because: str | None = None
    warnings: tuple[CheckLine, ...] = ()
    checks: tuple[CheckLine, ...] = ()


def stages_of(evidence: Evidence) -> tuple[Stage, ...]:
    """The three gates and the test, in order."""
    return (*(_gate_stage(evidence, name) for name in GateName), _test_stage(evidence))


def check_lines(checks: tuple[Check, ...]) -> tuple[CheckLine, ...]:
    """Checks as rows of a table."""
    return tuple(
        CheckLine(
            name=check.name,
            word=CHECK_IN_WORDS[check.status],
            tone=OF_CHECK[check.status],
            sentence=check.sentence,
        )
        for check in checks
    )


def _gate_stage(evidence: Evidence, name: GateName) -> Stage:
    gate = evidence.gate(name)
    if gate is None:
        return Stage(
            title=GATE_TITLE[name],
            question=QUESTION[name],
            word="not reached",
            tone=Tone.CALM,
            reason="This gate has not been judged yet.",
            when="",
        )
    return Stage(
        title=GATE_TITLE[name],
        question=QUESTION[name],
        word=gate.status.value,
        tone=OF_GATE[gate.status],
        reason=gate.reason,
        when=f"data through {gate.data_through}",
        passed_over=_passed_over(gate),
        because=gate.continued,
        warnings=check_lines(gate.warnings),
        checks=check_lines(gate.checks),
    )


def _passed_over(gate: Gate) -> str | None:
    if gate.status is GateStatus.SKIPPED:
        return "Skipped; this is not a pass."
    return "Continued without a pass:" if gate.continued else None


def _test_stage(evidence: Evidence) -> Stage:
    word, tone, reason = _test_answer(evidence)
    checks = evidence.readout.checks if evidence.readout else ()
    return Stage(
        title="Test",
        question="What happened?",
        word=word,
        tone=tone,
        reason=reason,
        when=f"{evidence.test_start} to {evidence.test_end}",
        warnings=check_lines(tuple(check for check in checks if check.status is Status.WARN)),
    )


def _test_answer(evidence: Evidence) -> tuple[str, Tone, str]:
    readout, verdict = evidence.readout, evidence.verdict
    if verdict is not None and verdict.decision is Decision.STOP:
        return "ended early", Tone.BAD, "The test was stopped for harm before its horizon."
    if readout is not None:
        return _read(evidence, readout)
    if evidence.ended_early:
        return "ended early", Tone.BAD, "The test ended before its horizon; the primary metric was not read."
    if evidence.shut_gate is not None:
        return "not begun", Tone.CALM, "A gate before it has not opened."
    if evidence.gate(GateName.SIZING) is None:
        return "not begun", Tone.CALM, "The gates before it have not all been judged."
    return "running", Tone.CALM, f"The result is due when {evidence.horizon} is over."


def _read(evidence: Evidence, readout: Readout) -> tuple[str, Tone, str]:
    if not evidence.readable:
        return "invalid", Tone.BAD, "The test was read, but its numbers may not be used."
    if evidence.ended_early:
        return "ended early", Tone.GOOD, f"The look on day {readout.day} ended the test before its horizon."
    if not readout.final:
        due = f"the result is due when {evidence.horizon} is over."
        return "running", Tone.CALM, f"Last read on day {readout.day}, which was not final; {due}"
    if len(evidence.spec.looks) > 1:
        return "read", Tone.GOOD, "The test was read at its horizon, after looks that were planned."
    if evidence.peeks:
        reason = f"Somebody looked {peeks_in_words(evidence.peeks)}, so confidence sequences read it at its horizon."
        return "read", Tone.GOOD, reason
    return "read", Tone.GOOD, "The test was read once, at its horizon."
