"""Which rows of the logs an experiment reads, and what a metric adds up of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import (
    EXPOSURES,
    OF_EXPOSURES,
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
    """One event type, or exposures, and the column that is read of it."""

    event_type: str
    column: str = NOTHING

    @property
    def label(self) -> str:
        """How partitions name it."""
        return f"{self.event_type}:{self.column}" if self.column else self.event_type

    @property
    def of_exposures(self) -> bool:
        """Whether it is read from the exposure log."""
        return self.event_type in OF_EXPOSURES


@dataclass(frozen=True, slots=True, order=True)
class Total:
    """One number per unit that grows with its rows, from its first exposure until its window ends."""

    measure: Measure
    use: Literal["count", "sum"]
    window_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """How a metric is made of totals: x alone, or of a ratio numerator x and denominator y.

    Attributes:
        any: Whether only more than nothing counts.
    """

    x: Total
    y: Total | None = None
    any: bool = False


def made_of(metric: Metric, measures: tuple[Measure, ...]) -> Made | None:
    """The totals of a metric; None for a quantile, which is read row by row."""
    window = metric.window_days

    def total(event: str, column: str | None) -> Total:
        # An event whose column is read is not read once more to count it.
        own = Measure(event, column or NOTHING)
        read = own if own in measures else next(m for m in measures if m.event_type == event)
        return Total(read, "sum" if column else "count", window)

    match metric:
        case ProportionMetric():
            return Made(x=total(metric.event, None), any=True)
        case CountMetric():
            return Made(x=total(metric.event, None))
        case MeanMetric():
            return Made(x=total(metric.event, metric.value))
        case RatioMetric():
            return Made(
                x=total(metric.numerator, metric.numerator_value),
                y=total(metric.denominator, metric.denominator_value),
            )
        case QuantileMetric():
            return None


def totals_of(spec: ExperimentSpec) -> tuple[Total, ...]:
    """Every total that some metric is made of, in a fixed order."""
    measures = measures_of(spec)
    made = [made_of(metric, measures) for metric in spec.metrics.values()]
    totals = {total for each in made if each for total in (each.x, each.y) if total}
    return tuple(sorted(totals, key=lambda total: (total.measure, total.use, total.window_days or 0)))


def rows_of(metric: QuantileMetric) -> Measure:
    """The rows that a quantile is read from."""
    return Measure(metric.event if metric.source == "outcomes" and metric.event else EXPOSURES, metric.value)


def measures_of(spec: ExperimentSpec) -> tuple[Measure, ...]:
    """Every measure that the metrics need, sorted."""
    wanted = {measure for metric in spec.metrics.values() for measure in _wanted(metric)}
    measured = {measure.event_type for measure in wanted if measure.column}
    return tuple(sorted(m for m in wanted if m.column or m.event_type not in measured))


def columns_needed(spec: ExperimentSpec, *, of_exposures: bool) -> dict[str, str]:
    """Columns that one of the logs must have, each with the metric that needs it."""
    return {
        measure.column: f"metric {name}"
        for name, metric in spec.metrics.items()
        for measure in _wanted(metric)
        if measure.column and measure.of_exposures == of_exposures
    }


def _wanted(metric: Metric) -> tuple[Measure, ...]:
    match metric:
        case ProportionMetric() | CountMetric():
            return (Measure(metric.event),)
        case MeanMetric():
            return (Measure(metric.event, metric.value),)
        case RatioMetric():
            return (
                Measure(metric.numerator, metric.numerator_value or NOTHING),
                Measure(metric.denominator, metric.denominator_value or NOTHING),
            )
        case QuantileMetric():
            return (rows_of(metric),)
