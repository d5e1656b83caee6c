"""Experiments drawn from units that all got the same: split as the plan splits, with an effect put in, and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.population import Measured, Population
from abflow.errors import NotEnoughData
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, ProportionMetric, RatioMetric, events_of
from abflow.stats.moments import Moments, joint_moments_of, linearised, moments_of
from abflow.stats.power_simulation import Arms, Effect, added, flipped, multiplied, split_units
from abflow.stats.result import Unavailable

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Arms]


def drawing(
    values: Mapping[str, Values],
    *,
    shares: Mapping[str, float],
    effects: Mapping[str, Mapping[str, Effect]],
    units: int,
) -> Draw:
    """Draw experiments of so many units; metrics of the same units are drawn together, so that they stay related.

    Args:
        values: By metric one row per unit, of a ratio numerator and denominator.
        shares: Of the units, by arm.
        effects: What happens to a metric's units, by arm and metric.
        units: Of an experiment, all arms together.

    Raises:
        NotEnoughData: There are no units to draw, or their values are not finite.
    """
    alike: dict[int, dict[str, Values]] = {}
    for name, column in values.items():
        alike.setdefault(len(column), {})[name] = column
    draws = []
    for columns in alike.values():
        own = {arm: {name: effect for name, effect in of.items() if name in columns} for arm, of in effects.items()}
        draw = split_units(columns, shares=shares, effects=own, total=units)
        if isinstance(draw, Unavailable):
            raise NotEnoughData(f"{', '.join(columns)} cannot be drawn: {draw.detail}")
        draws.append(draw)

    def together(rng: np.random.Generator) -> Arms:
        drawn = [draw(rng) for draw in draws]
        return {arm: {name: column for part in drawn for name, column in part[arm].items()} for arm in shares}

    return together


def planned_effect(metric: Metric, values: Values) -> Effect:
    """What the mde of a metric does to its units, which have none of it yet."""
    if metric.mde is None:
        return added(0.0)
    size, relative = metric.mde.signed, metric.mde.relative is not None
    match metric:
        case ProportionMetric():
            return flipped(size * float(values.mean()) if relative else size)
        case RatioMetric():
            return _on_the_numerator(size, relative=relative)
        case _:
            return multiplied(1 + size) if relative else added(size)


def _on_the_numerator(size: float, *, relative: bool) -> Effect:
    def moved(pairs: Values, _: np.random.Generator) -> Values:
        more = size * (pairs[:, 0] if relative else pairs[:, 1])
        return np.column_stack((pairs[:, 0] + more, pairs[:, 1]))

    return moved


def population_of(spec: ExperimentSpec, arms: Arms) -> Population:
    """What the engine would measure of these units; all of them are mature, and none crossed."""
    return Population(
        cohorts=(),
        measured=tuple(
            _measured(spec, name, arm, column) for arm, columns in arms.items() for name, column in columns.items()
        ),
        events_seen=tuple({event: None for metric in spec.metrics.values() for event in events_of(metric)}),
        misassigned=None,
    )


def _measured(spec: ExperimentSpec, name: str, arm: str, column: Values) -> Measured:
    pair, own, moments = None, column, Moments(n=len(column), mean=0.0, m2=0.0)
    if column.ndim == 1:
        moments = moments_of(column)
    else:
        pair, own = joint_moments_of(*column.T), column[:, 0]
        if pair.mean_y:
            moments, own = pair.linearised(), linearised(column)
    return Measured(
        metric=name,
        variant=arm,
        contamination=spec.analysis.contamination,
        moments=moments,
        lowest=float(own.min()) if own.size else 0.0,
        highest=float(own.max()) if own.size else 0.0,
        non_zero=int(np.count_nonzero(column if column.ndim == 1 else column[:, 0])),
        immature=0,
        cap=None,
        cap_removes_all=False,
        pair=pair,
    )
