"""Quantiles of rows, such as the 95th percentile of latency, with their rows counted per unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from abflow.analysis.population import Contamination, Measured
from abflow.engine.quantile_passes import Cut, Passes, pass_over_rows
from abflow.engine.statements import filled, rows, statement
from abflow.engine.unit_day import Partition
from abflow.logs.database import Database
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric
from abflow.stats.moments import NO_PAIRS, JointMoments
from abflow.stats.quantile_interval import quantile_moments
from abflow.stats.quantile_rows import QuantileRows

_Kind = tuple[int, str, bool]  # scope, variant, and whether the units were seen in another variant as well


def measured_quantiles(
    db: Database, spec: ExperimentSpec, partitions: Sequence[Partition], *, end: date, aa: Sequence[Partition] = ()
) -> tuple[Measured, ...]:
    """Every quantile in every variant, under both ways of treating units seen in two variants.

    Args:
        db: A connection with the units of a phase.
        spec: The experiment.
        partitions: The days of the phase.
        end: The cut-off, a day that does not count any more.
        aa: The days of the A/A phase, whose events count no second time.
    """
    metrics = {name: metric for name, metric in spec.metrics.items() if isinstance(metric, QuantileMetric)}
    if not metrics:
        return ()
    passes = pass_over_rows(db, spec, metrics, partitions, end=end, aa=aa)
    sums = _sums(db, passes.cuts.values())
    found = []
    for (name, policy), cut in passes.cuts.items():
        own: dict[str, Counter[str]] = {}
        for (scope, variant, crossed), counts in sorted(sums.items()):
            if scope == cut.scope and (policy == "keep_first" or not crossed):
                own[variant] = own.get(variant, Counter()) + counts
        found += [_measured(name, metrics[name].q, variant, policy, passes, counts) for variant, counts in own.items()]
    return tuple(found)


def _sums(db: Database, cuts: Iterable[Cut]) -> Mapping[_Kind, Counter[str]]:
    """Sums over units, whole numbers all of them, so that nothing is rounded; and the units that are left out."""
    added = "".join(
        f", sum({x}) as {x}, sum({x} * {x}) as {x}_squared, sum({x} * y) as {x}_by_y"
        f", count(*) filter (where {x} > 0) as {x}_below, count(*) filter (where {x} < y) as {x}_above"
        for cut in cuts
        for x in (cut.own, cut.pooled)
    )
    found: dict[_Kind, Counter[str]] = {}
    for query in (statement("quantile_immature"), filled("quantile_sums", sums=added)):
        for row in rows(db, query):
            kind = (row.pop("scope"), row.pop("variant"), row.pop("crossed"))
            found.setdefault(kind, Counter()).update({name: int(total) for name, total in row.items()})
    return found


def _measured(
    metric: str, q: float, variant: str, policy: Contamination, passes: Passes, counts: Counter[str]
) -> Measured:
    cut = passes.cuts[metric, policy]
    found = QuantileRows(
        histogram=passes.histograms.of(cut.scope, (variant,), policy),
        at_own=_pairs(counts, cut.own),
        at_pooled=_pairs(counts, cut.pooled),
    )
    moments = quantile_moments(found, q)
    return Measured(
        metric=metric,
        variant=variant,
        contamination=policy,
        moments=moments,
        lowest=moments.mean,
        highest=moments.mean,
        # A quantile rests on the units with rows on either side of it, and the fewer of them say how firmly.
        non_zero=min(counts[f"{cut.own}_below"], counts[f"{cut.own}_above"]),
        immature=counts["immature"],
        cap=None,
        cap_removes_all=False,
        rows=found,
    )


def _pairs(counts: Counter[str], x: str) -> JointMoments:
    """Rows at or below a cut, and all rows, per unit."""
    n, sum_x, sum_y = counts["n"], counts[x], counts["y"]
    if n == 0:
        return NO_PAIRS
    return JointMoments(
        n=n,
        mean_x=sum_x / n,
        mean_y=sum_y / n,
        m2_x=(n * counts[f"{x}_squared"] - sum_x * sum_x) / n,
        m2_y=(n * counts["y_squared"] - sum_y * sum_y) / n,
        cross=(n * counts[f"{x}_by_y"] - sum_x * sum_y) / n,
    )
