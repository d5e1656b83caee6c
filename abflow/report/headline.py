"""What stands at the top: the decision, or why there is none yet."""

from __future__ import annotations

from dataclasses import dataclass

from abflow.analysis.arm_rules import ArmAnswer
from abflow.analysis.gates import Gate
from abflow.analysis.verdict import Decision, Verdict
from abflow.report.evidence import Evidence
from abflow.report.tones import OF_DECISION, OF_GATE, Tone
from abflow.spec.calendar import GateName

GATE_TITLE = {GateName.SHADOW: "Shadow", GateName.AA: "A/A", GateName.SIZING: "Sizing"}

# The rule tables in a few words each; their exact conditions are in the statistical rules.
RULE_IN_WORDS = {
    "V1": "a validity check failed, so the numbers may not be read",
    "V2": "a harm bound was crossed before the horizon",
    "V3": "nothing is wrong, and nothing has been shown yet",
    "E1": "at least one arm wins; the one with the largest effect is promoted",
    "E2": "every arm is rejected",
    "E3": "no arm wins, and not every arm is rejected",
    "A1": "the primary metric could not be computed",
    "A2": "a guardrail is harmed",
    "A3": "the primary metric is worse",
    "A4": "the answer hangs on one unit, or on how crossed units are treated",
    "A5": "better, but the test is too small to be believed",
    "A6": "better, but perhaps by less than matters",
    "A7": "better, and every guardrail holds",
    "A8": "a loss beyond the margin is ruled out, and every guardrail holds",
    "A9": "the primary metric holds up, but a guardrail is open",
    "A10": "the gain that was worth looking for is ruled out",
    "A11": "neither a gain nor a loss is shown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The answer in one line, and the sentence that explains it.

    Attributes:
        word: The decision as a single word.
        rule: The code of the rule that decided; None before a verdict.
    """

    word: str
    title: str
    tone: Tone
    sentence: str
    rule: str | None = None
    rule_in_words: str = ""


def in_words(answer: Decision | ArmAnswer) -> str:
    """An answer as people write it."""
    return answer.value.replace("_", " ")


def headline(evidence: Evidence) -> Headline:
    """What the reader is told first."""
    if evidence.verdict:
        return _decided(evidence, evidence.verdict)
    shut = evidence.shut_gate
    if shut:
        return _held(shut)
    if evidence.readout is None:
        sentence = f"The result is due when {evidence.horizon} is over. {_until_then(evidence)}"
        return Headline(word="not due yet", title="Not due yet", tone=Tone.CALM, sentence=sentence)
    sentence = "The test has been read, but no verdict has been given."
    return Headline(word="not decided yet", title="Not decided yet", tone=Tone.CALM, sentence=sentence)


def _until_then(evidence: Evidence) -> str:
    if evidence.peeks:
        return "Somebody has looked before, so it will be read by confidence sequences."
    return (
        "Until then nobody is shown the primary metric, because a test that is looked at early finds gains that are "
        "not there."
    )


def _decided(evidence: Evidence, verdict: Verdict) -> Headline:
    return Headline(
        word=in_words(verdict.decision),
        title=_overruled(_title(evidence, verdict)) if evidence.overruled else _title(evidence, verdict),
        tone=OF_DECISION[verdict.decision],
        sentence=verdict.sentence,
        rule=verdict.rule,
        rule_in_words=RULE_IN_WORDS.get(verdict.rule, ""),
    )


def _title(evidence: Evidence, verdict: Verdict) -> str:
    match verdict.decision:
        case Decision.PROMOTE:
            version = f" (version {verdict.version})" if verdict.version else ""
            return f"Promote {verdict.winner}{version}"
        case Decision.KEEP:
            return f"Keep {evidence.spec.control_name}"
        case Decision.STOP:
            return f"Stop: harm was found; {evidence.spec.control_name} stays"
        case Decision.UNDECIDED:
            return f"Undecided: {evidence.spec.control_name} stays"
        case Decision.INVALID:
            return "Invalid: do not read this result"
        case Decision.NONE_YET:
            return "No verdict yet: the test goes on"


def _overruled(title: str) -> str:
    """Whoever overrules a verdict decides who stays."""
    return f"{title.partition(':')[0]}, but overruled"


def _held(gate: Gate) -> Headline:
    return Headline(
        word="held",
        title=f"Held at the {GATE_TITLE[gate.gate]} gate: {gate.status.value}",
        tone=OF_GATE[gate.status],
        sentence=f"{gate.reason} The test does not begin before this gate opens.",
    )
