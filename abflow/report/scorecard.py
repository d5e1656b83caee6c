"""The scorecard: one page, without anything from outside, that explains a verdict to anybody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from abflow.analysis.verdict import Verdict
from abflow.report.evidence import Evidence
from abflow.report.glossary import glossary
from abflow.report.headline import RULE_IN_WORDS, headline, in_words
from abflow.report.provenance import provenance_of
from abflow.report.results import results_of
from abflow.report.stages import stages_of
from abflow.report.tones import OF_ANSWER, SIGN, Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLine:
    """What the rule table says of one arm."""

    arm: str
    answer: str
    tone: Tone
    rule: str
    rule_in_words: str
    sentence: str
    also: tuple[tuple[str, str], ...]


def render_scorecard(evidence: Evidence) -> str:
    """Write the page; the same evidence gives the same bytes."""
    spec, readout, verdict = evidence.spec, evidence.readout, evidence.verdict
    return _template().render(
        spec=spec,
        head=headline(evidence),
        evidence=evidence,
        results=results_of(evidence, readout) if readout else None,
        stages=stages_of(evidence),
        arms=_arms(verdict) if verdict else (),
        provenance=provenance_of(evidence),
        dropped_arms=[arm.arm for arm in evidence.dropped],
        foreign=readout is not None and readout.spec_sha256 != spec.sha256,
        glossary=glossary(evidence.as_read, readout),
        sign=SIGN,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=_held_together,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("scorecard.html")


def _held_together(value: object) -> object:
    """A number and its thousands, its unit or its letter stay on one line."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return re.sub(r"(?<=\d) (?=\d{3}\b|%|pp\b)|(?<=\bp) (?=[<\d])|(?<=<) (?=\d)", "\N{NO-BREAK SPACE}", value)


def _arms(verdict: Verdict) -> tuple[ArmLine, ...]:
    return tuple(
        ArmLine(
            arm=arm.arm,
            answer=in_words(arm.answer),
            tone=OF_ANSWER[arm.answer],
            rule=arm.rule,
            rule_in_words=RULE_IN_WORDS.get(arm.rule, ""),
            sentence=arm.sentence,
            also=tuple((code, RULE_IN_WORDS.get(code, "")) for code in arm.also),
        )
        for arm in verdict.arms
    )
