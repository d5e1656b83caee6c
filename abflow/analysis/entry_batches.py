"""A metric by day of entry, for an allocation that followed the data: within a day everybody had the same odds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from abflow.analysis.population import ENTRY_DAY, Contamination, Population, Slice
from abflow.analysis.samples import Batches, Sample, slice_sample
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric
from abflow.stats.moments import EMPTY


def entry_batches(
    spec: ExperimentSpec, population: Population, name: str, arm: str, contamination: Contamination
) -> Batches:
    """Control and arm on every day on which somebody entered.

    None where the allocation does not follow the data, and none of a quantile, whose rows no day keeps apart.

    Args:
        spec: The experiment.
        population: The mature units.
        name: The metric.
        arm: The treatment.
        contamination: What to do with units seen in two variants.
    """
    if spec.allocation != "thompson":
        return ()
    days: dict[str, dict[str, list[Slice]]] = {}
    for part in population.sliced(name, ENTRY_DAY, contamination):
        role = spec.control_name if part.variant in spec.controls else part.variant
        days.setdefault(part.level, {}).setdefault(role, []).append(part)
    metric = spec.metrics[name]
    return tuple((_side(metric, spec.control_name, day), _side(metric, arm, day)) for _, day in sorted(days.items()))


def _side(metric: Metric, arm: str, sides: Mapping[str, Sequence[Slice]]) -> Sample:
    """One arm on one day; without units where nobody entered it, or where its units have no ratio."""
    if arm not in sides:
        return Sample(variant=arm, moments=EMPTY, plain=EMPTY)
    found = slice_sample(metric, sides[arm])
    return replace(found, moments=EMPTY, plain=EMPTY) if found.missing else found
