"""Which rows of the logs an experiment reads, and what a metric adds up of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from abflow.errors import SpecError
from abflow.logs.expressions import literal
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
from abflow.spec.row_filter import Where, canonical

NOTHING = ""  # a row that is only counted has no measured column


@dataclass(frozen=True, slots=True, order=True)
class Measure:
    """One event type, or exposures, the column that is read of it, and which of its rows.

    Attributes:
        rows: The canonical text of a filter; empty where every row is read.
    """

    event_type: str
    column: str = NOTHING
    rows: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        """How partitions name it."""
        read = f"{self.event_type}:{self.column}" if self.column else self.event_type
        return f"{read} where {self.rows}" if self.rows else read

    @property
    def where(self) -> Where:
        """The filter that a row must pass; empty where every row is read."""
        return {name: tuple(values) for name, values in json.loads(self.rows).items()} if self.rows else {}

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

    def total(own: Measure) -> Total:
        # An event whose column is read is not read once more to count it.
        same = (m for m in measures if (m.event_type, m.rows) == (own.event_type, own.rows))
        return Total(own if own in measures else next(same), "sum" if own.column else "count", window)

    match metric:
        case QuantileMetric():
            return None
        case RatioMetric():
            x, y = measures_read(metric)
            return Made(x=total(x), y=total(y))
        case _:
            (x,) = measures_read(metric)
            return Made(x=total(x), any=isinstance(metric, ProportionMetric))


def totals_of(spec: ExperimentSpec) -> tuple[Total, ...]:
    """Every total that some metric is made of, in a fixed order."""
    measures = measures_of(spec)
    made = [made_of(metric, measures) for metric in spec.metrics.values()]
    totals = {total for each in made if each for total in (each.x, each.y) if total}
    return tuple(sorted(totals, key=lambda total: (total.measure, total.use, total.window_days or 0)))


def rows_of(metric: QuantileMetric) -> Measure:
    """The rows that a quantile is read from."""
    event = metric.event if metric.source == "outcomes" and metric.event else EXPOSURES
    return Measure(event, metric.value, canonical(metric.where))


def measures_of(spec: ExperimentSpec) -> tuple[Measure, ...]:
    """Every measure that the metrics need, sorted.

    Raises:
        SpecError: Two would have one name in the partitions, because an event has a name like a measure's.
    """
    wanted = {measure for metric in spec.metrics.values() for measure in measures_read(metric)}
    measured = {(measure.event_type, measure.rows) for measure in wanted if measure.column}
    found = tuple(sorted(m for m in wanted if m.column or (m.event_type, m.rows) not in measured))
    labels = [measure.label for measure in (*found, *leftovers_of(found))]
    if len({*labels}) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise SpecError(f"metrics: {twice!r} names an event and also what is read of another; rename the event")
    return found


def leftovers_of(measures: Iterable[Measure]) -> tuple[Measure, ...]:
    """Event types of which only some rows are read, sorted: of the others those are kept that have an id.

    The earliest row of an id may be one that no metric reads, and then its repeats do not count.
    """
    read = [measure for measure in measures if not measure.of_exposures]
    whole = {measure.event_type for measure in read if not measure.rows}
    return tuple(Measure(event_type) for event_type in sorted({measure.event_type for measure in read} - whole))


def filtered_events(measures: Iterable[Measure]) -> dict[str, tuple[str, ...]]:
    """Events that some metric filters, with the labels under which their rows are filed."""
    outcomes = [measure for measure in measures if not measure.of_exposures]
    filed = (*outcomes, *leftovers_of(outcomes))
    return {
        event_type: tuple(sorted(measure.label for measure in filed if measure.event_type == event_type))
        for event_type in sorted({measure.event_type for measure in outcomes if measure.rows})
    }


def same_event(measures: Iterable[Measure]) -> str:
    """SQL text: equal for measures whose rows may be repeats of one another: those of an event, if it is filtered.

    Measures of all rows of an event find the same row to be the earliest of an id, each by itself.
    """
    cases = "".join(
        f" when measure in ({', '.join(map(literal, labels))}) then {literal(event_type)}"
        for event_type, labels in filtered_events(measures).items()
    )
    return f"case{cases} else measure end" if cases else "measure"


def columns_needed(spec: ExperimentSpec, *, of_exposures: bool) -> dict[str, str]:
    """Columns that one of the logs must have, each with the metric that needs it."""
    return {
        column: f"metric {name}"
        for name, metric in spec.metrics.items()
        for measure in measures_read(metric)
        if measure.of_exposures == of_exposures
        for column in (measure.column, *measure.where)
        if column
    }


def measures_read(metric: Metric) -> tuple[Measure, ...]:
    """What a metric reads by itself; of a ratio its numerator, then its denominator."""
    match metric:
        case ProportionMetric() | CountMetric():
            return (Measure(metric.event, NOTHING, canonical(metric.where)),)
        case MeanMetric():
            return (Measure(metric.event, metric.value, canonical(metric.where)),)
        case RatioMetric():
            return (
                Measure(metric.numerator, metric.numerator_value or NOTHING, canonical(metric.numerator_where)),
                Measure(metric.denominator, metric.denominator_value or NOTHING, canonical(metric.denominator_where)),
            )
        case QuantileMetric():
            return (rows_of(metric),)
