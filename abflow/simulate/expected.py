"""What every metric must come out as, derived from the truth without drawing anything.

The world is built so that this has closed forms:

- A unit does an event never (its disposition is above `share`) or at a constant rate, as a Poisson process
  that takes no notice of its sessions, the hour or the weekday. So the window that begins at a first exposure
  is like any other: with rate r and share s, a window of w days holds s * r * w events on average, and any
  with probability s * (1 - exp(-r * w)). New and established units are mixed by `established_share`.
- An effect begins at the unit's first exposure in the test and is multiplied by 2 ** (-age / novelty).
- Sessions follow the hours and weekdays. Only exposures as a denominator and metrics without a window depend
  on them; `abflow.simulate.enrolment` sums those over the hours of the test.

Left out, because no closed form exists: metrics with a `cap`, and quantiles of values whose effect wears off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from statistics import NormalDist

import numpy as np

from abflow.simulate.clock import Floats
from abflow.simulate.enrolment import expected_enrolment, expected_exposures
from abflow.simulate.levers import Levers, control_names, latency_ratios, levers_of
from abflow.simulate.truth import Truth
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

_STEPS = 500
_OfDays = Callable[[Floats], Floats]


def expected(spec: ExperimentSpec, truth: Truth) -> dict[str, dict[str, float]]:
    """Expected value per unit of every metric under every variant, for mature units of the test.

    A proportion, count or mean is per unit, a ratio is sum over sum, a quantile is of rows. Metrics without
    a closed form are absent.

    Raises:
        SpecError: The truth does not fit the experiment.
    """
    levers = levers_of(spec, truth)
    found = {name: _of_metric(spec, truth, levers, metric) for name, metric in spec.metrics.items()}
    return {
        name: dict(zip(spec.variants, (float(value) for value in values), strict=True))
        for name, values in found.items()
        if values is not None
    }


def _of_metric(spec: ExperimentSpec, truth: Truth, levers: dict[str, Levers], metric: Metric) -> list[float] | None:
    variants = range(len(spec.variants))
    match metric:
        case ProportionMetric():
            reach = partial(_reach, truth, levers[metric.event])
            return [_over_stays(spec, truth, metric.window_days, partial(reach, v)) for v in variants]
        case CountMetric():
            return _events(spec, truth, levers, metric.event, metric.window_days)
        case MeanMetric():
            if metric.cap is not None:
                return None
            total = partial(_total, truth, levers[metric.event], with_value=True)
            return [_over_stays(spec, truth, metric.window_days, partial(total, v)) for v in variants]
        case RatioMetric():
            numerator = _events(spec, truth, levers, metric.numerator, metric.window_days)
            denominator = _events(spec, truth, levers, metric.denominator, metric.window_days)
            if min(denominator) == 0:
                return None
            return [a / b for a, b in zip(numerator, denominator, strict=True)]
        case QuantileMetric(source="exposures"):
            return _latency_quantiles(spec, truth, metric.q)
        case QuantileMetric(event=str(event)):
            return _value_quantiles(truth, levers[event], metric.q)
        case _:
            return None


def _events(
    spec: ExperimentSpec, truth: Truth, levers: dict[str, Levers], name: str, window: int | None
) -> list[float]:
    """Events per unit under every variant, exposures and those that failed among them."""
    if name in OF_EXPOSURES:
        shown = expected_exposures(spec, truth, window)
        return [shown * (1.0 if name == EXPOSURES else failed) for failed in _failing(spec, truth)]
    total = partial(_total, truth, levers[name], with_value=False)
    return [_over_stays(spec, truth, window, partial(total, v)) for v in range(len(spec.variants))]


def _failing(spec: ExperimentSpec, truth: Truth) -> list[float]:
    """Share of failed calls under every variant: a treatment's own answers mixed with the control's fallbacks."""
    own = [truth.error_rate * truth.error_ratio.get(name, 1.0) for name in spec.variants]
    fallback = [0.0 if name in control_names(spec) else truth.fallback_rate for name in spec.variants]
    return [(1 - share) * failed + share * truth.error_rate for failed, share in zip(own, fallback, strict=True)]


def _over_stays(spec: ExperimentSpec, truth: Truth, window: int | None, of_days: Callable[[Floats], Floats]) -> float:
    """A function of the observed days, averaged over the units: the window, or the rest of the test."""
    if window is not None:
        return float(of_days(np.array([float(window)]))[0])
    entering = expected_enrolment(spec, truth)
    days = spec.phases.test.days - (np.arange(len(entering)) + 0.5) / 24
    return float(np.average(of_days(days), weights=entering))


def _total(truth: Truth, levers: Levers, variant: int, days: Floats, *, with_value: bool) -> Floats:
    """Events per unit, or the sum of their values: the product of the levers, integrated over the age."""
    event = levers.event
    polynomial = np.convolve([1.0, levers.share[variant]], [1.0, levers.rate[variant]])
    scale = event.share * sum(weight * rate for weight, rate in _rates(truth, levers))
    if with_value and event.value:
        polynomial = np.convolve(polynomial, [1.0, levers.value[variant]])
        scale *= event.value.mean
    terms = [factor * _decayed_days(truth, power, days) for power, factor in enumerate(polynomial)]
    result: Floats = scale * np.sum(terms, axis=0)
    return result


def _reach(truth: Truth, levers: Levers, variant: int, days: Floats) -> Floats:
    """Share of units with at least one event.

    A positive effect on the share makes some units act until novelty has worn off so far that they stop; a
    negative one makes some units pause until then. Both are averaged over the units' dispositions.
    """
    share, change = levers.event.share, float(levers.share[variant])
    between = (np.arange(_STEPS) + 0.5) / _STEPS  # where a swayed unit stands in the range of the swayed
    turn = np.full(_STEPS, np.inf) if truth.novelty == 0 else -truth.novelty * np.log2(between)
    until = np.minimum(turn, days[:, np.newaxis])
    result = np.zeros(len(days))
    for weight, rate in _rates(truth, levers):
        whole = _hazard(truth, levers, variant, days) * rate
        before = _hazard(truth, levers, variant, until) * rate
        swayed = before if change > 0 else whole[:, np.newaxis] - before
        steady = share * (1 + min(change, 0.0)) * -np.expm1(-whole)
        result += weight * (steady + share * abs(change) * np.mean(-np.expm1(-swayed), axis=1))
    return result


def _hazard(truth: Truth, levers: Levers, variant: int, days: Floats) -> Floats:
    """Expected events until an age, at a rate of one per day under the control."""
    result: Floats = days + levers.rate[variant] * _decayed_days(truth, 1, days)
    return result


def _decayed_days(truth: Truth, power: int, days: Floats) -> Floats:
    """Integral of the effect's remaining strength, to a power, from age 0 to so many days."""
    if truth.novelty == 0 or power == 0:
        return days
    pace = power * math.log(2) / truth.novelty
    result: Floats = -np.expm1(-pace * days) / pace
    return result


def _rates(truth: Truth, levers: Levers) -> tuple[tuple[float, float], tuple[float, float]]:
    """Share of established and of new units among the exposed, each with its events per day."""
    event, established = levers.event, truth.established_share
    return (established, event.per_day * event.established_ratio), (1 - established, event.per_day)


def _latency_quantiles(spec: ExperimentSpec, truth: Truth, q: float) -> list[float]:
    """Quantile of latency over rows: a treatment's own answers mixed with the control's fallbacks."""
    ratios = latency_ratios(spec, truth)
    own_control = float(ratios[list(spec.variants).index(spec.control_name)])
    result = []
    for name, ratio in zip(spec.variants, ratios, strict=True):
        fallback = 0.0 if name in control_names(spec) else truth.fallback_rate
        result.append(truth.latency_ms.median * _mixture_quantile(truth, q, float(ratio), own_control, fallback))
    return result


def _mixture_quantile(truth: Truth, q: float, ratio: float, other: float, other_share: float) -> float:
    """The quantile of two lognormals of one spread, by halving the interval between theirs."""
    spread = math.hypot(truth.latency_ms.sigma, truth.latency_ms.unit_sigma)
    if spread == 0 and 0 < other_share < 1:
        spread = 1e-9
    at = spread * NormalDist().inv_cdf(q)
    low, high = sorted((math.log(ratio) + at, math.log(other) + at))
    while other_share > 0 and high - low > 1e-12:
        middle = (low + high) / 2
        below = (1 - other_share) * NormalDist(math.log(ratio), spread).cdf(middle)
        below += other_share * NormalDist(math.log(other), spread).cdf(middle)
        low, high = (middle, high) if below < q else (low, middle)
    return math.exp(low if other_share > 0 else math.log(ratio) + at)


def _value_quantiles(truth: Truth, levers: Levers, q: float) -> list[float] | None:
    """Quantile of the values of events."""
    value = levers.event.value
    if value is None or (truth.novelty > 0 and levers.value.any()):
        return None
    return [value.quantile(q) * (1 + float(change)) for change in levers.value]
