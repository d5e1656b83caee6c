"""How an effect on a metric is brought about: what the treatment changes in its units' behaviour.

proportion        the share of units that do it at all
count, ratio      the rate of the event (of a ratio: its numerator)
mean, quantile    the size of its values; for `latency_ms` of exposures the latency

Each lever moves its own metric by exactly the relative effect when it acts alone and effects last. Metrics
that read the same event move together, as in life: more buyers are also more revenue. `expected` adds it up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from abflow.errors import SpecError
from abflow.simulate.clock import Floats
from abflow.simulate.truth import EventTruth, Truth
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import (
    FAILED_EXPOSURES,
    OF_EXPOSURES,
    CountMetric,
    MeanMetric,
    Metric,
    ProportionMetric,
    QuantileMetric,
    RatioMetric,
    events_of,
    filter_of,
)

OUTCOME_COLUMNS = (
    "timestamp",
    "user_id",
    "event_type",
    "event_id",
    "value",
    "item_id",
    "model_variant_served",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levers:
    """Relative change of one event type under every variant, in the order of the file."""

    event: EventTruth
    share: Floats
    rate: Floats
    value: Floats


def levers_of(spec: ExperimentSpec, truth: Truth) -> dict[str, Levers]:
    """What every variant does to every event type that the metrics read.

    Raises:
        SpecError: The truth speaks of something that this experiment does not have, or cannot be.
    """
    _check_names(spec, truth)
    levers = {}
    for name in event_types(spec):
        event = truth.events.get(name, EventTruth())
        share, rate, value = (
            _combined(spec, truth, [metric for metric, read in _reading(spec, name) if read.kind in kinds])
            for kinds in (("proportion",), ("count", "ratio"), ("mean", "quantile"))
        )
        levers[name] = Levers(event=event, share=share, rate=rate, value=value)
        most = event.share * (1 + share.max())
        if most > 1 + 1e-12:
            raise SpecError(
                f"truth: events.{name}.share {event.share:g} and its effects make {most:.3g} "
                "of all units do it, more than there are; lower the share or the effect"
            )
    return levers


def event_types(spec: ExperimentSpec) -> tuple[str, ...]:
    """Every event type that some metric reads, in the order of the file."""
    return tuple(dict.fromkeys(event for metric in spec.metrics.values() for event in events_of(metric)))


def latency_ratios(spec: ExperimentSpec, truth: Truth) -> Floats:
    """Latency of every variant over the control's."""
    metrics = [name for name, metric in spec.metrics.items() if _reads_latency(metric)]
    ratios = [truth.latency_ms.ratio.get(variant, 1.0) for variant in spec.variants]
    return np.array(ratios) * (1 + _combined(spec, truth, metrics))


def control_names(spec: ExperimentSpec) -> tuple[str, ...]:
    """The variants that serve as control."""
    return spec.control if isinstance(spec.control, tuple) else (spec.control_name,)


def value_columns(spec: ExperimentSpec) -> tuple[str, ...]:
    """Columns of the outcome log that hold an event's number, `value` first."""
    named = [
        metric.value
        for metric in spec.metrics.values()
        if isinstance(metric, MeanMetric) or (isinstance(metric, QuantileMetric) and metric.source == "outcomes")
    ]
    return tuple(dict.fromkeys(["value", *named]))


def _reading(spec: ExperimentSpec, event: str) -> list[tuple[str, Metric]]:
    """Metrics whose lever is this event type."""
    found: list[tuple[str, Metric]] = []
    for name, metric in spec.metrics.items():
        match metric:
            case ProportionMetric() | CountMetric() | MeanMetric():
                moved = metric.event
            case RatioMetric():
                moved = metric.numerator
            case QuantileMetric():
                moved = (metric.event or "") if metric.source == "outcomes" else ""
        if moved == event:
            found.append((name, metric))
    return found


def _combined(spec: ExperimentSpec, truth: Truth, metrics: list[str]) -> Floats:
    factors = np.ones(len(spec.variants))
    for name in metrics:
        factors *= [1 + truth.effects.get(name, {}).get(variant, 0.0) for variant in spec.variants]
    return factors - 1


def _reads_latency(metric: Metric) -> bool:
    return isinstance(metric, QuantileMetric) and metric.source == "exposures"


def _check_names(spec: ExperimentSpec, truth: Truth) -> None:
    _check_known("events", truth.events, event_types(spec))
    _check_known("effects", truth.effects, spec.metrics)
    treatments = [name for name in spec.variants if name not in control_names(spec)]
    for metric, effects in truth.effects.items():
        _check_known(f"effects.{metric}", effects, treatments)
    _check_known("latency_ms.ratio", truth.latency_ms.ratio, treatments)
    _check_known("error_ratio", truth.error_ratio, treatments)
    for variant, ratio in truth.error_ratio.items():
        if ratio * truth.error_rate > 1:
            raise SpecError(f"truth: error_ratio.{variant} {ratio:g} makes more than every call fail; lower it")
    for metric_name, measured in spec.metrics.items():
        _check_drawable(metric_name, measured, truth)


def _check_known(field: str, given: Iterable[str], known: Iterable[str]) -> None:
    names = list(known)
    for name in given:
        if name not in names:
            raise SpecError(
                f"truth: {field} names {name!r}, but this experiment has {', '.join(names) or 'none'}; "
                "rename or remove it"
            )


def _check_drawable(name: str, metric: Metric, truth: Truth) -> None:
    if filter_of(metric):
        raise SpecError(f"metrics.{name} reads rows {filter_of(metric)}; the simulation draws no such rows")
    match metric:
        case QuantileMetric(source="exposures") if metric.value != "latency_ms":
            raise SpecError(f"metrics.{name} reads {metric.value!r} of exposures; the simulation draws latency_ms only")
        case ProportionMetric() | CountMetric() | MeanMetric() if metric.event in OF_EXPOSURES:
            raise SpecError(f"metrics.{name} adds up {metric.event} per unit; the simulation has no truth for that")
        case RatioMetric() if metric.numerator in OF_EXPOSURES and truth.effects.get(name):
            instead = "say in error_ratio how often calls fail" if metric.numerator == FAILED_EXPOSURES else "remove it"
            raise SpecError(
                f"truth: effects.{name} would change how often {metric.numerator} occur; the simulation has no such "
                f"effect: {instead}"
            )
        case MeanMetric(event=str(event)) | QuantileMetric(source="outcomes", event=str(event)) if (
            event in truth.events and truth.events[event].value is None
        ):
            raise SpecError(f"truth: events.{event}.value is null, but metrics.{name} reads it; give it a size")
        case MeanMetric() | QuantileMetric(source="outcomes") if (
            metric.value in OUTCOME_COLUMNS and metric.value != "value"
        ):
            raise SpecError(f"metrics.{name} reads {metric.value!r}, which holds no number in the outcome log")
        case _:
            return
