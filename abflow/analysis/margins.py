"""Guardrails, and a primary that may not get worse: one-sided bounds against the margin, and their word."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from abflow.analysis.by_batches import bounded
from abflow.analysis.estimates import bounds
from abflow.analysis.readout import Margin, Word
from abflow.analysis.samples import Batches, Sample
from abflow.spec.metrics import Amount, Metric
from abflow.stats.batched_margins import BatchedMargin
from abflow.stats.confidence_sequence import always_valid_p_one_sided, sequence_bounds
from abflow.stats.noninferiority import MarginBounds
from abflow.stats.result import Unavailable


def margin_of(
    metric: Metric, control: Sample, treatment: Sample, *, alpha: float, planned: int | None, batches: Batches = ()
) -> Margin | Unavailable | None:
    """The bounds of one metric against its margin; None when it has none.

    Args:
        metric: The metric.
        control: Its units in control.
        treatment: Its units in the arm.
        alpha: Of each bound alone.
        planned: Units of both arms at the planned end, where the bounds must hold at every look; None where they are
            read once.
        batches: The same units by day of entry, where the allocation followed the data.
    """
    if metric.margin is None:
        return None
    found = _bounds(metric, metric.margin, control, treatment, batches, confidence=1 - alpha)
    if isinstance(found, Unavailable):
        return found
    once = Margin(
        margin=found.margin,
        lower=found.slack.lower,
        upper=found.slack.upper,
        effect_lower=found.effect.lower,
        effect_upper=found.effect.upper,
        se=found.slack.se,
        p_value=found.p_value,
        confidence=found.confidence,
        method=found.method,
    )
    return once if planned is None else _at_every_look(once, found, control, treatment, alpha=alpha, planned=planned)


def _bounds(
    metric: Metric, margin: Amount, control: Sample, treatment: Sample, batches: Batches, *, confidence: float
) -> MarginBounds | Unavailable:
    sign, relative = sign_of(metric), margin.relative is not None
    if batches and not (control.missing or treatment.missing):
        rates = control.is_rate and treatment.is_rate
        found = bounded(batches, rates=rates, sign=sign, margin=margin.signed, relative=relative, confidence=confidence)
        return found if isinstance(found, Unavailable) else _with_days(found)
    return bounds(control, treatment, sign=sign, margin=margin.signed, relative=relative, confidence=confidence)


def _with_days(found: BatchedMargin) -> MarginBounds:
    days = f"{found.batches} of {found.batches + found.left_out} days of entry"
    return replace(found.bounds, method=f"{found.bounds.method}, {days}")


def _at_every_look(
    once: Margin, found: MarginBounds, control: Sample, treatment: Sample, *, alpha: float, planned: int
) -> Margin | Unavailable:
    units = (control.moments.n, treatment.moments.n)
    nonzero = control.non_zero + treatment.non_zero
    slack = sequence_bounds(
        found.slack.value, found.slack.se, units=units, nonzero=nonzero, planned=planned, alpha=alpha
    )
    effect = sequence_bounds(
        found.effect.value, found.effect.se, units=units, nonzero=nonzero, planned=planned, alpha=alpha
    )
    if isinstance(slack, Unavailable):
        return slack
    if isinstance(effect, Unavailable):
        return effect
    return replace(
        once,
        lower=slack.lower,
        upper=slack.upper,
        effect_lower=effect.lower,
        effect_upper=effect.upper,
        p_value=always_valid_p_one_sided(found.slack.value, found.slack.se, n=sum(units), planned=planned, alpha=alpha),
        method="one-sided confidence sequence",
    )


def word_of(margin: Margin | Unavailable | None) -> Word | None:
    """Whether a loss beyond the margin is ruled out, shown, or neither; None when nobody can say."""
    match margin:
        case Margin(lower=lower) if lower > 0:
            return Word.SAFE
        case Margin(upper=upper) if upper < 0:
            return Word.HARMED
        case Margin():
            return Word.UNCLEAR
        case _:
            return None


def sign_of(metric: Metric) -> Literal[1, -1]:
    """+1 where more is better, -1 where less is better."""
    return 1 if metric.sign > 0 else -1
