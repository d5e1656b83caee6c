"""The metric that an experiment gets without asking: a rate of failed calls beside every metric of latency."""

from __future__ import annotations

from abflow.spec.field_error import FieldError
from abflow.spec.metrics import (
    EXPOSURES,
    FAILED_EXPOSURES,
    Amount,
    Direction,
    MeanMetric,
    Metric,
    QuantileMetric,
    RatioMetric,
    Role,
)

LATENCY = "latency_ms"
ERROR_RATE = "error_rate"
# A version that lets slow calls fail looks fast: failed calls have no latency.
_ERROR_RATE = RatioMetric(
    role=Role.GUARDRAIL,
    kind="ratio",
    numerator=FAILED_EXPOSURES,
    denominator=EXPOSURES,
    direction=Direction.DECREASE,
    margin=Amount(absolute=0.005),
    why="Built in: failed calls have no latency, so their rate is always tested beside it.",
)
_EXPLORED_ERROR_RATE = _ERROR_RATE.model_copy(update={"role": Role.EXPLORATORY, "margin": None})


def with_built_in(metrics: dict[str, Metric]) -> dict[str, Metric]:
    """The metrics of an experiment file, and the guardrail that comes with latency unless the file has its own.

    Beside a latency that is only explored it is only explored too: the plan does not change.

    Raises:
        FieldError: What is only explored would take the guardrail's place.
    """
    latencies = [metric.role for metric in metrics.values() if _reads_latency(metric)]
    planned = any(role.planned for role in latencies)
    own = metrics.get(ERROR_RATE)
    if own and planned and not own.role.planned:
        wrong = (
            "stands beside a latency of the plan in the guardrail's place, so it is part of the plan and cannot be "
            "exploratory; make it a guardrail or secondary, or give it another name"
        )
        raise FieldError(ERROR_RATE, "role", wrong=wrong)
    if own or not latencies:
        return metrics
    return {**metrics, ERROR_RATE: _ERROR_RATE if planned else _EXPLORED_ERROR_RATE}


def is_built_in(metric: Metric) -> bool:
    """Whether nobody wrote this metric down."""
    return metric in (_ERROR_RATE, _EXPLORED_ERROR_RATE)


def _reads_latency(metric: Metric) -> bool:
    match metric:
        case QuantileMetric():
            return metric.source == EXPOSURES and metric.value == LATENCY
        case MeanMetric():
            return metric.event == EXPOSURES and metric.value == LATENCY
        case _:
            return False
