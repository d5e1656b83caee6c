"""Is an arm at most a margin worse, after the shares of the arms followed the data? One test per batch, added up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Literal

from abflow.errors import SpecError
from abflow.stats.batched_ols import batched_difference
from abflow.stats.moments import EMPTY, Moments
from abflow.stats.noninferiority import Bounds, MarginBounds
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import tail_of

# A two-sided interval at 0.5 has bounds at 0.75 each; below that nobody asks.
LEAST_CONFIDENCE = 0.75


def batched_margin_bounds(
    batches: Sequence[tuple[Moments, Moments]],
    *,
    sign: Literal[1, -1],
    margin: float,
    relative: bool,
    confidence: float = 0.95,
) -> MarginBounds | Unavailable:
    """One-sided bounds of the effect plus its margin, from batches in which the arms had different shares.

    In every batch s·m_t - s·m_c + |d| for an absolute margin d, s·m_t - (s - |r|)·m_c for a relative margin r; the
    batches are added up as by `batched_difference` of means, with one pooled variance per batch.

    Args:
        batches: Control and treatment of each batch; of linearised units for a ratio.
        sign: +1 when more is better, -1 when less is better.
        margin: The loss allowed, with or without its sign, in the metric's unit or as a share.
        relative: Whether the margin is a share of the control mean.
        confidence: Of each bound on its own, 0.75 or more.

    Raises:
        SpecError: The margin is not finite, or the confidence not between 0.5 and 1.

    References:
        Zhang, Janson, Murphy (2020), NeurIPS 33, 9818-9829; arXiv 2002.03217v3, batched OLS. The contrasts are those
        of `margin_bounds`.
    """
    tail_of(confidence, sides=1)
    if not math.isfinite(margin):
        raise SpecError(f"margin {margin:g} is not a finite number; give the loss that is acceptable")
    if confidence < LEAST_CONFIDENCE:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"bounds of batches are at {LEAST_CONFIDENCE:g} or more each, not at {confidence:g}",
        )
    size, control_mean = abs(margin), reduce(add, (control for control, _ in batches), EMPTY).mean
    if relative and any(control.mean < 0 for control, _ in batches):
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail="a batch's control mean is negative, so a relative margin has no direction; give an absolute margin",
        )
    weight, shift = (sign - size, 0.0) if relative else (float(sign), size)
    slack = _added_up(batches, sign, weight, shift, confidence)
    effect = _added_up(batches, sign, float(sign), 0.0, confidence)
    if isinstance(slack, Unavailable):
        return slack
    if isinstance(effect, Unavailable):
        return effect
    return MarginBounds(
        slack=_bounds(slack),
        effect=_bounds(effect),
        margin=size * control_mean if relative else size,
        p_value=slack.p_value / 2 if slack.value > 0 else 1 - slack.p_value / 2,
        confidence=confidence,
        method="batched OLS, Student t bounds",
    )


def _added_up(
    batches: Sequence[tuple[Moments, Moments]], sign: int, weight: float, shift: float, confidence: float
) -> Estimate | Unavailable:
    """Sign · treatment - weight · control + shift over all batches."""
    asked = [(control.scaled(weight), _shifted(treatment.scaled(sign), shift)) for control, treatment in batches]
    found = batched_difference(asked, kind="mean", confidence=2 * confidence - 1)
    return found if isinstance(found, Unavailable) else found.estimate


def _shifted(arm: Moments, by: float) -> Moments:
    return Moments(n=arm.n, mean=arm.mean + by, m2=arm.m2) if arm.n else arm


def _bounds(estimate: Estimate) -> Bounds:
    return Bounds(value=estimate.value, se=estimate.se, lower=estimate.lower, upper=estimate.upper)
