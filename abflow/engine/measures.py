"""Which rows of the logs an experiment reads, which column of them, and what a metric makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import (
    EXPOSURES,
    CountMetric,
    MeanMetric,
    Metric,
    ProportionMetric,
    QuantileMetric,
    RatioMetric,
)

NOTHING = ""  # a row that is only counted has no measured column


@dataclass(frozen=True, slots=True, order=True)
class Measure:
    """One event type, or `exposures`, and the column that is read of it."""

    event_type: str
    measured: str


@dataclass(frozen=True, slots=True)
class Part:
    """One number per unit that a metric is made of: x, or of a ratio numerator x and denominator y."""

    part: Literal["x", "y"]
    event_type: str
    measured: str
    use: Literal["any", "count", "sum"]


def parts_of(metric: Metric) -> tuple[Part, ...]:
    """What a metric reads of each unit's rows."""
    match metric:
        case ProportionMetric():
            return (Part("x", metric.event, NOTHING, "any"),)
        case CountMetric():
            return (Part("x", metric.event, NOTHING, "count"),)
        case MeanMetric():
            return (Part("x", metric.event, metric.value, "sum"),)
        case RatioMetric():
            return (
                _counted_or_summed("x", metric.numerator, metric.numerator_value),
                _counted_or_summed("y", metric.denominator, metric.denominator_value),
            )
        case QuantileMetric():
            raise NotImplementedError("quantile metrics are refused when the file is read")  # spec/support.py


def _counted_or_summed(part: Literal["x", "y"], event: str, column: str | None) -> Part:
    return Part(part, event, column or NOTHING, "sum" if column else "count")


def measures_of(spec: ExperimentSpec) -> tuple[Measure, ...]:
    """Every measure that the metrics need, sorted; an event whose column is read is not read again to count it."""
    parts = [part for metric in spec.metrics.values() for part in parts_of(metric)]
    columns = {(part.event_type, part.measured) for part in parts if part.measured != NOTHING}
    with_column = {event for event, _ in columns}
    counted = {(part.event_type, NOTHING) for part in parts if part.event_type not in with_column}
    return tuple(sorted(Measure(event, column) for event, column in columns | counted))


def measure_of(part: Part, measures: tuple[Measure, ...]) -> Measure:
    """The measure that one part reads: its own column, or any column of its event where it only counts."""
    own = Measure(part.event_type, part.measured)
    return own if own in measures else next(m for m in measures if m.event_type == part.event_type)


def reads_exposures(measures: tuple[Measure, ...]) -> bool:
    """Whether single exposures matter, and not only each unit's first."""
    return any(measure.event_type == EXPOSURES for measure in measures)
