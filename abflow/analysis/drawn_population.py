"""What the engine would measure of drawn units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from abflow.analysis.drawn_units import Arms, DrawnUnits
from abflow.analysis.population import Measured, Population
from abflow.analysis.unit_records import Values
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric, events_of
from abflow.stats.moments import Moments, joint_moments_of, linearised, moments_of
from abflow.stats.quantile_interval import quantile_moments
from abflow.stats.unit_rows import ChosenRows, UnitRows, arm_rows_of
from abflow.stats.vector_moments import VectorMoments, vector_moments_of


def population_of(spec: ExperimentSpec, arms: Arms) -> Population:
    """What the engine would measure of these units; all of them are mature, and none crossed."""
    names = list(next(iter(arms.values()), {}))
    found = []
    for name in names:
        drawn = {arm: of[name] for arm, of in arms.items()}
        if isinstance(metric := spec.metrics[name], QuantileMetric):
            found += list(_quantiles(spec, name, metric.q, drawn))
        else:
            found += [_measured(spec, name, arm, each) for arm, each in drawn.items()]
    return Population(
        cohorts=(),
        measured=tuple(found),
        events_seen=tuple({event: None for metric in spec.metrics.values() for event in events_of(metric)}),
        misassigned=None,
    )


def _quantiles(spec: ExperimentSpec, name: str, q: float, arms: Mapping[str, DrawnUnits]) -> Iterator[Measured]:
    """One quantile in every arm."""
    chosen = {arm: _chosen(drawn, drawn.of.rows) for arm, drawn in arms.items() if drawn.of.rows}
    for arm, found in arm_rows_of(chosen, q).items():
        moments = quantile_moments(found.rows, q)
        yield Measured(
            metric=name,
            variant=arm,
            contamination=spec.analysis.contamination,
            moments=moments,
            lowest=moments.mean,
            highest=moments.mean,
            non_zero=found.sides,
            immature=0,
            cap=None,
            cap_removes_all=False,
            rows=found.rows,
        )


def _chosen(drawn: DrawnUnits, rows: UnitRows) -> ChosenRows:
    times = np.bincount(drawn.places, minlength=rows.per_unit.size)
    return ChosenRows(rows=rows, times=times.astype(np.float64))


def _measured(spec: ExperimentSpec, name: str, arm: str, drawn: DrawnUnits) -> Measured:
    """One metric in one arm."""
    did = drawn.numbers if drawn.numbers is not None else np.empty(0)
    pair, own, moments, bare = None, did, Moments(n=len(did), mean=0.0, m2=0.0), 0
    if did.ndim == 1:
        moments = moments_of(did)
    else:
        pair, own = joint_moments_of(*did.T), np.zeros(1)
        bare = int(np.count_nonzero((did[:, 0] != 0) & (did[:, 1] == 0)))
        if pair.mean_y:
            moments, own = pair.linearised(), linearised(did)
    return Measured(
        metric=name,
        variant=arm,
        contamination=spec.analysis.contamination,
        moments=moments,
        lowest=float(own.min()) if own.size else 0.0,
        highest=float(own.max()) if own.size else 0.0,
        non_zero=int(np.count_nonzero(did if did.ndim == 1 else did[:, 0])),
        immature=0,
        cap=drawn.of.cap,
        cap_removes_all=drawn.of.cap is not None and drawn.of.cap <= 0,
        without_denominator=bare,
        pair=pair if pair and pair.n else None,
        history=_history(drawn, did),
        history_days=drawn.of.history_days,
    )


def _history(drawn: DrawnUnits, did: Values) -> VectorMoments | None:
    """What the units did, then what they did before."""
    if drawn.of.before is None:
        return None
    return vector_moments_of(np.column_stack((did, drawn.of.before[drawn.places])))
