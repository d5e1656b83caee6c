"""A comparison as a reader wants it: every number formatted, every gap explained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from abflow.analysis import wording
from abflow.analysis.readout import ArmSummary, Comparison, Margin
from abflow.report.facts import facts_of
from abflow.report.notation import (
    NONE,
    correction,
    coverage,
    p_or_none,
    probability,
    relative_interval,
    signed_percent,
)
from abflow.report.readings import Reading, readings_of
from abflow.report.tones import OF_WORD, Tone
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, Role, filter_of
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

# Refused for their spread alone: the means themselves are sound. For any other reason a mean of 0 may only
# say that nobody knows.
_MEANS_STAND = (UnavailableReason.NO_VARIANCE, UnavailableReason.TOO_FEW_UNITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a comparison shows first: the interval that decides, and the strength of the evidence.

    Attributes:
        basis: What the interval is worth, in a sentence; "" where the effect's own decides.
        strength: What the evidence is measured by.
        evidence: The adjusted p, or the probability of being better.
        measure: What that number is, and what it is held against.
    """

    effect: str = NONE
    interval: str = ""
    confidence: str = ""
    basis: str = ""
    strength: str = "Adjusted p"
    evidence: str = NONE
    measure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric in one arm against control, ready to print.

    Attributes:
        rows: Which rows it reads; empty when it reads them all.
        word: The word it has earned, or why it has none: see `Comparison.answer`.
        unavailable: Why there is no effect, or None.
        facts: What bears on the answer: margin, mde, precision, looks, notes.
        readings: Other estimates of the same, which never decide.
        methods: What each number is made with.
    """

    metric: str
    rows: str
    arm: str
    role: str
    direction: str
    control_units: str
    treatment_units: str
    control_mean: str
    treatment_mean: str
    shown: Shown
    relative: str
    relative_interval: str
    word: str
    tone: Tone
    unavailable: str | None
    precision: str
    facts: tuple[str, ...]
    readings: tuple[Reading, ...]
    methods: tuple[str, ...]


def metric_rows(spec: ExperimentSpec, comparisons: Iterable[Comparison]) -> tuple[MetricRow, ...]:
    """Every comparison, formatted, in the order given."""
    return tuple(_row(spec, comparison) for comparison in comparisons)


def _row(spec: ExperimentSpec, found: Comparison) -> MetricRow:
    metric = spec.metrics[found.metric]
    effect, relative = found.effect, found.relative
    return MetricRow(
        metric=found.metric,
        rows=filter_of(metric),
        arm=found.arm,
        role=wording.role(metric),
        direction=in_words(metric),
        control_units=wording.count(found.control.units),
        treatment_units=wording.count(found.treatment.units),
        control_mean=_mean(metric, found.control, effect),
        treatment_mean=_mean(metric, found.treatment, effect),
        shown=_shown(metric, found),
        relative=signed_percent(relative.value) if isinstance(relative, Estimate) else NONE,
        relative_interval=_relative_interval(relative, effect_known=isinstance(effect, Estimate)),
        word=found.answer,
        tone=OF_WORD[found.word] if found.word else Tone.CALM,
        unavailable=effect.detail if isinstance(effect, Unavailable) else None,
        precision=NONE if found.precision is None else f"{found.precision.percent_of_plan:.0f} %",
        facts=tuple(facts_of(metric, found)),
        readings=tuple(readings_of(metric, found)),
        methods=tuple(_methods(found)),
    )


def in_words(metric: Metric) -> str:
    """Which way is better."""
    return "more is better" if metric.sign > 0 else "less is better"


def _mean(metric: Metric, arm: ArmSummary, effect: Estimate | Unavailable) -> str:
    if not arm.units or (isinstance(effect, Unavailable) and effect.reason not in _MEANS_STAND):
        return NONE
    return wording.level(metric, arm.mean)


def _shown(metric: Metric, found: Comparison) -> Shown:
    if isinstance(found.effect, Unavailable):
        return Shown()
    strength, evidence, measure = _evidence(found)
    decides = found.deciding or found.effect
    return Shown(
        effect=wording.effect(metric, decides.value),
        interval=wording.interval(metric, decides.lower, decides.upper),
        confidence=coverage(decides.confidence),
        basis=_basis(found),
        strength=strength,
        evidence=evidence,
        measure=measure,
    )


def _basis(found: Comparison) -> str:
    if found.deciding is not None:
        return f"This interval decides: {found.deciding.method}."
    if found.spent is not None:
        return "This interval is that of a single look and decides nothing; the bound of the look does."
    return ""


def _evidence(found: Comparison) -> tuple[str, str, str]:
    """A posterior where there is one; a guardrail has its margin instead of either."""
    if found.posterior is not None:
        needed = f"of being better; {probability(found.posterior.needed)} needed"
        return "Probability", probability(found.posterior.better), needed
    if found.adjusted_p is not None:
        return "Adjusted p", p_or_none(found.adjusted_p), correction(found.corrected_by)
    if not found.role.planned:
        p = found.effect.p_value if isinstance(found.effect, Estimate) and found.deciding is None else None
        return "p", p_or_none(p), "exploratory, corrected for nothing"
    return "Adjusted p", NONE, "margin test below" if found.role is Role.GUARDRAIL else ""


def _relative_interval(relative: Estimate | Unavailable, *, effect_known: bool) -> str:
    if isinstance(relative, Estimate):
        return relative_interval(relative.lower, relative.upper)
    return f"not available: {relative.detail}" if effect_known else ""


def _methods(found: Comparison) -> Iterable[str]:
    if isinstance(found.effect, Estimate):
        yield f"effect: {found.effect.method}"
    if isinstance(found.relative, Estimate):
        yield f"relative: {found.relative.method}"
    if isinstance(found.margin, Margin):
        yield f"margin: {found.margin.method}"
    if found.adjusted_p is not None:
        yield f"adjusted p: {correction(found.corrected_by)}"
