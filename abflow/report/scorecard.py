"""The scorecard: one page, without anything from outside, that explains a verdict to anybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from abflow.analysis import wording
from abflow.analysis.blueprint import Blueprint
from abflow.analysis.gates import Gate
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Verdict
from abflow.report.bars import Bars, bars_of
from abflow.report.charts import interval_plot
from abflow.report.evidence import Evidence
from abflow.report.glossary import glossary
from abflow.report.headline import RULE_IN_WORDS, headline
from abflow.report.layout import NARROW, WIDE
from abflow.report.rows import MetricRow, metric_rows
from abflow.report.stages import CheckLine, check_lines, stages_of
from abflow.report.tones import OF_ANSWER, SIGN, Tone
from abflow.spec.assignment import bucket_shares
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role

POLICY_IN_WORDS = {
    "exclude": "units seen in two variants left out",
    "keep_first": "units seen in two variants kept in their first",
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitLine:
    """Units of one variant against its planned share."""

    variant: str
    version: str
    units: str
    share: str
    planned: str
    expected: str
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything on the page that only a readout can say."""

    primary: tuple[MetricRow, ...]
    rows: tuple[MetricRow, ...]
    policy: str
    beside: tuple[tuple[MetricRow, bool], ...]
    beside_policy: str
    bars: Bars
    wide: Markup | None
    narrow: Markup | None
    split: tuple[SplitLine, ...]
    enrolled: str
    crossed: str
    too_late: str
    checks: tuple[CheckLine, ...]


def render_scorecard(
    spec: ExperimentSpec,
    *,
    gates: Sequence[Gate],
    readout: Readout | None,
    verdict: Verdict | None,
    blueprint: Blueprint | None,
    registry: Sequence[str],
) -> str:
    """Write the page; the same evidence gives the same bytes.

    Args:
        spec: The experiment.
        gates: The gates judged so far.
        readout: What the test showed; None before its horizon.
        verdict: The decision; None before there is one.
        blueprint: The experiment with its versions resolved.
        registry: Lines that say what was or would be changed in the registry.
    """
    evidence = Evidence(
        spec=spec,
        gates=tuple(gates),
        readout=readout,
        verdict=verdict,
        blueprint=blueprint,
        registry=tuple(registry),
    )
    return _template().render(
        spec=spec,
        head=headline(evidence),
        evidence=evidence,
        results=_results(evidence, readout) if readout else None,
        stages=stages_of(evidence),
        arms=_arms(verdict) if verdict else (),
        provenance=_provenance(evidence),
        foreign=readout is not None and readout.spec_sha256 != spec.sha256,
        glossary=glossary(spec),
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
    """A number and its thousands or its unit stay on one line."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return re.sub(r"(?<=\d) (?=\d{3}\b|%|pp\b)", "\N{NO-BREAK SPACE}", value)


def _results(evidence: Evidence, readout: Readout) -> Results:
    spec = evidence.spec
    bars = bars_of(spec, readout.comparisons)
    primary = [c for c in readout.comparisons if c.role is Role.PRIMARY]
    others = [readout.other(c.metric, c.arm) for c in primary]
    same_word = [mine.word is other.word for mine, other in zip(primary, others, strict=True)]
    return Results(
        primary=metric_rows(spec, primary),
        rows=metric_rows(spec, readout.comparisons),
        policy=POLICY_IN_WORDS[readout.contamination],
        beside=tuple(zip(metric_rows(spec, others), same_word, strict=True)),
        beside_policy=POLICY_IN_WORDS[others[0].contamination],
        bars=bars,
        # Names in the plot are escaped by Vega when it writes the SVG.
        wide=Markup(interval_plot(bars, WIDE)) if bars.rows else None,  # noqa: S704
        narrow=Markup(interval_plot(bars, NARROW)) if bars.rows else None,  # noqa: S704
        split=_split(evidence, readout),
        enrolled=wording.count(sum(readout.units.values())),
        crossed=wording.count(readout.crossed),
        too_late=wording.count(readout.too_late),
        checks=check_lines(readout.checks),
    )


def _split(evidence: Evidence, readout: Readout) -> tuple[SplitLine, ...]:
    shares = bucket_shares(evidence.spec)
    versions = evidence.blueprint.versions if evidence.blueprint else {}
    total = sum(readout.units.values())
    lines = []
    for variant, planned in shares.items():
        units = readout.units.get(variant, 0)
        share = units / total if total else None
        lines.append(
            SplitLine(
                variant=variant,
                version=versions.get(variant) or "–",
                units=wording.count(units),
                share=wording.percent(share) if share is not None else "–",
                planned=wording.percent(planned),
                expected=wording.count(planned * total),
                width=round(100 * (share or 0), 2),
            )
        )
    return tuple(lines)


def _arms(verdict: Verdict) -> tuple[ArmLine, ...]:
    return tuple(
        ArmLine(
            arm=arm.arm,
            answer=arm.answer.value,
            tone=OF_ANSWER[arm.answer],
            rule=arm.rule,
            rule_in_words=RULE_IN_WORDS.get(arm.rule, ""),
            sentence=arm.sentence,
            also=tuple((code, RULE_IN_WORDS.get(code, "")) for code in arm.also),
        )
        for arm in verdict.arms
    )


def _provenance(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    spec, blueprint, readout, verdict = (
        evidence.spec,
        evidence.blueprint,
        evidence.readout,
        evidence.verdict,
    )
    lines: list[tuple[str, str | None]] = [
        ("First day", f"{evidence.first_day}"),
        ("Test", f"{evidence.test_start} to {evidence.horizon}"),
        ("Cut-off", f"{readout.cut_off}, midnight UTC" if readout else None),
        ("Analysis", f"{spec.analysis.method}, preset {spec.analysis.preset}, alpha {spec.analysis.alpha:g}"),
        ("Unit and assignment", f"{spec.unit}, {spec.assignment}"),
        ("Specification, SHA-256", spec.sha256),
        ("Inputs, SHA-256", readout.inputs if readout else None),
        ("Readout, SHA-256", verdict.readout if verdict else None),
    ]
    versions: list[tuple[str, str | None]] = []
    if blueprint:
        versions = [(f"Version of {name}", uri) for name, uri in blueprint.candidates.items()]
        champion = f"version {blueprint.champion}" if blueprint.champion else None
        versions.append(("Champion when it began", champion))
    return tuple((name, value) for name, value in (*versions, *lines) if value is not None)
