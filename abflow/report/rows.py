"""A comparison as a reader wants it: every number formatted, every gap explained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from abflow.analysis import wording
from abflow.analysis.readout import ArmSummary, Comparison, Margin, Precision
from abflow.report.tones import OF_WORD, Tone
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric
from abflow.stats.result import Estimate, Unavailable, UnavailableReason

NONE = "–"
# Refused for their spread alone: the means themselves are sound. For any other reason a mean of 0 may only
# say that nobody knows.
_MEANS_STAND = (UnavailableReason.NO_VARIANCE, UnavailableReason.TOO_FEW_UNITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One metric in one arm against control, ready to print.

    Attributes:
        word: The word it has earned; "unavailable" when it has none.
        unavailable: Why there is no effect, or None.
        facts: What else is known: margin, effect size, cap, precision, notes.
        methods: What each number is made with.
    """

    metric: str
    arm: str
    role: str
    direction: str
    control_units: str
    treatment_units: str
    control_mean: str
    treatment_mean: str
    effect: str
    interval: str
    confidence: str
    relative: str
    relative_interval: str
    adjusted_p: str
    word: str
    tone: Tone
    unavailable: str | None
    precision: str
    facts: tuple[str, ...]
    methods: tuple[str, ...]


def metric_rows(spec: ExperimentSpec, comparisons: Iterable[Comparison]) -> tuple[MetricRow, ...]:
    """Every comparison, formatted, in the order given."""
    return tuple(_row(spec, comparison) for comparison in comparisons)


def _row(spec: ExperimentSpec, found: Comparison) -> MetricRow:
    metric = spec.metrics[found.metric]
    effect, relative = found.effect, found.relative
    known = isinstance(effect, Estimate)
    return MetricRow(
        metric=found.metric,
        arm=found.arm,
        role=found.role.value,
        direction=in_words(metric),
        control_units=_units(found.control),
        treatment_units=_units(found.treatment),
        control_mean=_mean(metric, found.control, effect),
        treatment_mean=_mean(metric, found.treatment, effect),
        effect=wording.effect(metric, effect.value) if isinstance(effect, Estimate) else NONE,
        interval=wording.interval(metric, effect.lower, effect.upper) if isinstance(effect, Estimate) else "",
        confidence=coverage(effect.confidence) if isinstance(effect, Estimate) else "",
        relative=signed_percent(relative.value) if isinstance(relative, Estimate) else NONE,
        relative_interval=_relative_interval(relative, effect_known=known),
        adjusted_p=NONE if found.adjusted_p is None else wording.p_value(found.adjusted_p),
        word=found.word.value if found.word else "unavailable",
        tone=OF_WORD[found.word] if found.word else Tone.CALM,
        unavailable=effect.detail if isinstance(effect, Unavailable) else None,
        precision=NONE if found.precision is None else f"{found.precision.percent_of_plan:.0f} %",
        facts=tuple(_facts(spec, metric, found)),
        methods=tuple(_methods(found)),
    )


def in_words(metric: Metric) -> str:
    """Which way is better."""
    return "more is better" if metric.sign > 0 else "less is better"


def signed_percent(share: float) -> str:
    """A relative change."""
    return f"{100 * share:+.2f} %"


def coverage(confidence: float) -> str:
    """The confidence of an interval, such as 95 %."""
    return f"{100 * confidence:.6g} %"


def _units(arm: ArmSummary) -> str:
    left_out = f" (+ {wording.count(arm.immature)} immature, left out)" if arm.immature else ""
    return f"{wording.count(arm.units)}{left_out}"


def _mean(metric: Metric, arm: ArmSummary, effect: Estimate | Unavailable) -> str:
    if not arm.units or (isinstance(effect, Unavailable) and effect.reason not in _MEANS_STAND):
        return NONE
    return wording.level(metric, arm.mean)


def _relative_interval(relative: Estimate | Unavailable, *, effect_known: bool) -> str:
    if isinstance(relative, Estimate):
        return f"{signed_percent(relative.lower)} to {signed_percent(relative.upper)}"
    return f"not available: {relative.detail}" if effect_known else ""


def _facts(spec: ExperimentSpec, metric: Metric, found: Comparison) -> Iterable[str]:
    yield from _margin_facts(metric, found.margin)
    if found.mde is not None:
        excluded = "; ruled out" if found.mde_excluded else ""
        yield f"worth detecting (mde): {wording.size(metric, found.mde)}{excluded}"
    if found.practical:
        yield f"smallest gain that matters: {wording.size(metric, found.practical)}"
    if found.strict:
        deciding = wording.interval(metric, *found.strict)
        yield f"interval that decides among several tests ({coverage(1 - spec.arm_alpha)}): {deciding}"
    if found.precision is not None:
        yield _precision_fact(found.precision)
    if found.cohens_h is not None:
        yield f"Cohen's h {found.cohens_h:+.3f}: {found.cohens_h_in_words}"
    if found.cap is not None:
        yield f"values capped at {wording.number(found.cap)}"
    if found.fragile:
        yield "fragile: the word changes when one unit is left out"
    yield from found.notes


def _precision_fact(precision: Precision) -> str:
    reached = f"precision {precision.percent_of_plan:.0f} % of plan"
    if precision.powered:
        return f"{reached}: enough"
    return f"{reached}: {wording.count(precision.more_units_per_arm)} more units per arm would reach it"


def _margin_facts(metric: Metric, margin: Margin | Unavailable | None) -> Iterable[str]:
    if isinstance(margin, Unavailable):
        yield f"margin not testable: {margin.detail}"
    elif margin is not None:
        worst = wording.effect(metric, metric.sign * margin.effect_lower)
        yield (
            f"loss allowed {wording.size(metric, margin.margin)}; at worst {worst} "
            f"(one-sided {coverage(margin.confidence)} bound), "
            f"p {wording.p_value(margin.p_value)} against the margin"
        )


def _methods(found: Comparison) -> Iterable[str]:
    if isinstance(found.effect, Estimate):
        yield f"effect: {found.effect.method}"
    if isinstance(found.relative, Estimate):
        yield f"relative: {found.relative.method}"
    if isinstance(found.margin, Margin):
        yield f"margin: {found.margin.method}"
    if found.adjusted_p is not None:
        yield "adjusted p: Holm"
