"""Other readings of the same comparison, which stand beside the answer and never decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from abflow.analysis import wording
from abflow.analysis.readout import Comparison
from abflow.report.notation import estimated, relative_interval
from abflow.spec.metrics import Metric
from abflow.stats.result import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One number or interval, what it is called, and why it is there."""

    name: str
    value: str
    why: str


def readings_of(metric: Metric, found: Comparison) -> Iterable[Reading]:
    """What else is known of the effect, in the order in which a doubt would come up."""
    if found.deciding is not None and isinstance(found.effect, Estimate):
        yield Reading(
            name="On its own",
            value=estimated(metric, found.effect),
            why="the same units, as if this were one test with one look",
        )
    if found.unadjusted is not None:
        yield Reading(
            name="Without CUPED",
            value=estimated(metric, found.unadjusted),
            why="the effect before what units did earlier was taken off it",
        )
    if found.variance_kept is not None:
        yield Reading(
            name="Variance kept",
            value=wording.percent(found.variance_kept, 1),
            why="the share of the variance that CUPED leaves",
        )
    if found.stratified is not None:
        yield Reading(
            name="Within days of entry",
            value=estimated(metric, found.stratified),
            why="a second estimate; where it tells another story, the split changed from day to day",
        )
    if found.fieller is not None:
        yield Reading(
            name="Relative, by Fieller",
            value=relative_interval(*found.fieller),
            why="control is known so roughly, relative to itself, that the two relative intervals may differ; both "
            "are shown",
        )
    if found.permutation_p is not None:
        yield Reading(
            name="Permutation p",
            value=wording.p_value(found.permutation_p),
            why="it needs no normal units; one unit carries much of the effect",
        )
    if found.cohens_h is not None:
        yield Reading(
            name="Cohen's h",
            value=f"{found.cohens_h:+.3f}: {found.cohens_h_in_words}",
            why="the difference of two rates on a scale of its own",
        )
