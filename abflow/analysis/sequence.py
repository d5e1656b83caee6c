"""Confidence sequences of comparisons: what may be read at every look."""

from __future__ import annotations

from abflow.analysis.looks import ArmLook
from abflow.analysis.readout import Deciding
from abflow.analysis.samples import Sample
from abflow.stats.confidence_sequence import always_valid_p, sequence_bounds
from abflow.stats.result import Estimate, Unavailable

METHOD = "asymptotic confidence sequence"


def interval_of(
    effect: Estimate, control: Sample, treatment: Sample, look: ArmLook, *, alpha: float
) -> Deciding | Unavailable:
    """The interval of an effect that holds at all looks together."""
    found = sequence_bounds(
        effect.value,
        effect.se,
        units=(control.moments.n, treatment.moments.n),
        nonzero=control.non_zero + treatment.non_zero,
        planned=look.horizon_units,
        alpha=alpha,
    )
    if isinstance(found, Unavailable):
        return found
    lower, upper = found.two_sided
    return Deciding(value=effect.value, lower=lower, upper=upper, confidence=1 - alpha, method=METHOD)


def p_value_of(
    effect: Estimate, control: Sample, treatment: Sample, look: ArmLook, *, alpha: float
) -> float | Unavailable:
    """The p-value of no effect that holds at all looks together; there is none before the sequence starts."""
    interval = interval_of(effect, control, treatment, look, alpha=alpha)
    if isinstance(interval, Unavailable):
        return interval
    n = control.moments.n + treatment.moments.n
    return always_valid_p(effect.value, effect.se, n=n, planned=look.horizon_units, alpha=alpha)
