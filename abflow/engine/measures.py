"""Which events of the outcome log an experiment reads, and which column of them."""

from __future__ import annotations

from dataclasses import dataclass

from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import MeanMetric, Metric, events_of

NOTHING = ""  # an event that is only counted has no measured column


@dataclass(frozen=True, slots=True, order=True)
class Measure:
    """One event type and the column that is read of it."""

    event_type: str
    measured: str


def measures_of(spec: ExperimentSpec) -> tuple[Measure, ...]:
    """Every measure that the metrics need, sorted; an event whose column is read is not read again to count it."""
    columns = {(metric.event, metric.value) for metric in spec.metrics.values() if isinstance(metric, MeanMetric)}
    with_column = {event for event, _ in columns}
    counted = {
        (event, NOTHING) for metric in spec.metrics.values() for event in events_of(metric) if event not in with_column
    }
    return tuple(sorted(Measure(event, column) for event, column in columns | counted))


def measure_of(metric: Metric, measures: tuple[Measure, ...]) -> Measure:
    """The measure that one metric reads."""
    if isinstance(metric, MeanMetric):
        return Measure(metric.event, metric.value)
    (event,) = events_of(metric)
    return next(measure for measure in measures if measure.event_type == event)
