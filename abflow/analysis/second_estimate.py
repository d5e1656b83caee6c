"""The standard second estimate: the same difference within days of entry, averaged over them."""

from __future__ import annotations

from abflow.analysis.population import ENTRY_DAY, Contamination, Population, Slice
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric
from abflow.stats.moments import EMPTY, NO_PAIRS
from abflow.stats.result import Estimate, Unavailable
from abflow.stats.stratification import Stratum, stratified_difference, stratified_ratio_difference


def within_days_of_entry(
    spec: ExperimentSpec,
    population: Population,
    name: str,
    arm: str,
    contamination: Contamination,
    *,
    confidence: float,
) -> Estimate | Unavailable | None:
    """Treatment minus control with the day of entry held fixed; None where the days are not known.

    It must tell the same story as the first estimate: where it does not, the split changed from day to day.
    """
    if isinstance(spec.metrics[name], QuantileMetric):
        return None
    days: dict[str, dict[str, list[Slice]]] = {}
    for part in population.sliced(name, ENTRY_DAY, contamination):
        side = "control" if part.variant in spec.controls else part.variant
        if side in ("control", arm):
            days.setdefault(part.level, {}).setdefault(side, []).append(part)
    if not days:
        return None
    if any(part.pair for sides in days.values() for parts in sides.values() for part in parts):
        ratios = [
            Stratum(
                name=day,
                control=sum((p.pair for p in sides.get("control", ()) if p.pair), NO_PAIRS),
                treatment=sum((p.pair for p in sides.get(arm, ()) if p.pair), NO_PAIRS),
            )
            for day, sides in sorted(days.items())
        ]
        found = stratified_ratio_difference(ratios, confidence=confidence)
    else:
        means = [
            Stratum(
                name=day,
                control=sum((p.moments for p in sides.get("control", ())), EMPTY),
                treatment=sum((p.moments for p in sides.get(arm, ())), EMPTY),
            )
            for day, sides in sorted(days.items())
        ]
        found = stratified_difference(means, confidence=confidence)
    return found if isinstance(found, Unavailable) else found.estimate
