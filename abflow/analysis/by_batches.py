"""Two arms compared day of entry by day of entry, for an allocation that followed the data."""

from __future__ import annotations

from typing import Literal

from abflow.analysis.samples import Batches
from abflow.stats.batched_margins import BatchedMargin, batched_margin_bounds
from abflow.stats.batched_ols import BatchedDifference, batched_difference
from abflow.stats.batches import Kind
from abflow.stats.moments import Moments
from abflow.stats.result import Unavailable


def compared(batches: Batches, *, confidence: float) -> BatchedDifference | Unavailable:
    """Treatment minus control, the tests of all days added up."""
    rates = all(sample.is_rate for day in batches for sample in day if sample.moments.n)
    return batched_difference(_moments(batches), kind="proportion" if rates else "mean", confidence=confidence)


def bounded(
    batches: Batches, *, rates: bool, sign: Literal[1, -1], margin: float, relative: bool, confidence: float
) -> BatchedMargin | Unavailable:
    """One-sided bounds of the effect plus its margin, the tests of all days added up."""
    kind: Kind = "proportion" if rates else "mean"
    return batched_margin_bounds(
        _moments(batches), kind=kind, sign=sign, margin=margin, relative=relative, confidence=confidence
    )


def _moments(batches: Batches) -> list[tuple[Moments, Moments]]:
    return [(control.moments, treatment.moments) for control, treatment in batches]
