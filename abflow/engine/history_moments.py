"""Metrics with the moments of what their units did and of what they did before, for CUPED."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import combinations_with_replacement
from operator import add

from abflow.analysis.population import Measured
from abflow.engine.history import History, PastDay, open_histories
from abflow.engine.observed import Observed
from abflow.engine.statements import filled, make, rows
from abflow.engine.unit_day import Partition
from abflow.engine.unit_state import exact_sum, scale_of
from abflow.logs.database import Database
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.vector_moments import VectorMoments


def with_history(
    db: Database,
    spec: ExperimentSpec,
    metrics: Sequence[Observed],
    measured: Iterable[Measured],
    *,
    period: Period,
    before: Sequence[PastDay],
    partitions: Sequence[Partition],
    aa: Sequence[Partition] = (),
) -> list[Measured]:
    """Measured metrics, each with the moments of its history, where it has one.

    Args:
        db: A connection with the units of a phase and what they did.
        spec: The experiment.
        metrics: What was observed.
        measured: What it was made into.
        period: The phase.
        before: Days before the phase that the logs have.
        partitions: The days of the phase.
        aa: The days of the A/A phase before, whose events count no second time.
    """
    histories = open_histories(db, spec, metrics, period=period, before=before, partitions=partitions, aa=aa)
    if not histories:
        return list(measured)
    moments = _moments(db, histories)
    days = {each.own.metric: each.days for each in histories}
    return [
        replace(each, history=_of(each, moments), history_days=days[each.metric]) if each.metric in days else each
        for each in measured
    ]


def _moments(db: Database, histories: Sequence[History]) -> dict[tuple[str, str, bool], VectorMoments]:
    """Moments of every metric and its history by metric, variant, and whether units were seen in two variants.

    Two scans: means first, then products of the distances from them; both by sums that no order of rows can change.
    """
    names = [name for each in histories for name in each.numbers]
    sizes = next(rows(db, f"select {', '.join(f'coalesce(max(abs({n})), 0) as {n}' for n in names)} from histories"))
    make(db, "history_means", filled("history_means", means="".join(_means(each, sizes) for each in histories)))
    products = filled("history_products", products="".join(_products(each, sizes) for each in histories))
    together = {(row["variant"], row["crossed"]): row for row in rows(db, products)}
    return {
        (each.own.metric, row["variant"], row["crossed"]): VectorMoments(
            n=row[f"n{each.own.number}"],
            mean=tuple(row[f"mean_{name}"] for name in each.numbers),
            cross=tuple(
                tuple(together[row["variant"], row["crossed"]][_product(a, b)] for b in each.numbers)
                for a in each.numbers
            ),
        )
        for row in rows(db, "select * from history_means")
        for each in histories
    }


def _means(each: History, sizes: Mapping[str, float]) -> str:
    where = f"filter (where {each.own.mature})"
    columns = [f"count(*) {where} as n{each.own.number}"]
    for name in each.numbers:
        total, back = exact_sum(name, scale_of(sizes[name]))
        columns.append(f"coalesce({total} {where}{back} / nullif(count(*) {where}, 0), 0) as mean_{name}")
    return "".join(f", {column}" for column in columns)


def _products(each: History, sizes: Mapping[str, float]) -> str:
    columns = []
    for a, b in combinations_with_replacement(each.numbers, 2):
        # No distance from a mean is more than twice the largest size.
        scale = scale_of(4 * sizes[a] * sizes[b])
        total, back = exact_sum(f"(h.{a} - m.mean_{a}) * (h.{b} - m.mean_{b})", scale)
        columns.append(f"coalesce({total} filter (where h.{each.own.mature}){back}, 0) as {_product(a, b)}")
    return "".join(f", {column}" for column in columns)


def _product(a: str, b: str) -> str:
    return f"{min(a, b)}_{max(a, b)}"


def _of(measured: Measured, moments: Mapping[tuple[str, str, bool], VectorMoments]) -> VectorMoments:
    kinds = (False,) if measured.contamination == "exclude" else (False, True)
    keys = ((measured.metric, measured.variant, crossed) for crossed in kinds)
    return reduce(add, (moments[key] for key in keys if key in moments))
