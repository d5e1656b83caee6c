"""The four tones of a report; each goes with a word and a sign, so that nothing is said by colour alone."""

from __future__ import annotations

from enum import StrEnum

from abflow.analysis.arm_rules import ArmAnswer
from abflow.analysis.gates import GateStatus, Status
from abflow.analysis.readout import Word
from abflow.analysis.verdict import Decision


class Tone(StrEnum):
    """How good the news is."""

    GOOD = "good"
    CALM = "calm"
    OPEN = "open"
    BAD = "bad"


SIGN = {Tone.GOOD: "✓", Tone.CALM: "–", Tone.OPEN: "?", Tone.BAD: "✕"}

OF_DECISION = {
    Decision.PROMOTE: Tone.GOOD,
    Decision.KEEP: Tone.CALM,
    Decision.UNDECIDED: Tone.OPEN,
    Decision.STOP: Tone.BAD,
    Decision.INVALID: Tone.BAD,
    Decision.NONE_YET: Tone.CALM,
}
OF_ANSWER = {
    ArmAnswer.WINNER: Tone.GOOD,
    ArmAnswer.REJECTED: Tone.CALM,
    ArmAnswer.UNDECIDED: Tone.OPEN,
    ArmAnswer.GOES_ON: Tone.CALM,
}
OF_WORD = {
    Word.BETTER: Tone.GOOD,
    Word.SAFE: Tone.GOOD,
    Word.WORSE: Tone.BAD,
    Word.HARMED: Tone.BAD,
    Word.UNCLEAR: Tone.OPEN,
}
OF_CHECK = {
    Status.PASS: Tone.GOOD,
    Status.WARN: Tone.OPEN,
    Status.INSUFFICIENT: Tone.OPEN,
    Status.FAIL: Tone.BAD,
    Status.NOT_CHECKED: Tone.CALM,
}
OF_GATE = {
    GateStatus.PASS: Tone.GOOD,
    GateStatus.INSUFFICIENT: Tone.OPEN,
    GateStatus.SKIPPED: Tone.OPEN,
    GateStatus.FAIL: Tone.BAD,
}
CHECK_IN_WORDS = {
    Status.PASS: "pass",
    Status.WARN: "warning",
    Status.INSUFFICIENT: "insufficient",
    Status.FAIL: "fail",
    Status.NOT_CHECKED: "not checked",
}
