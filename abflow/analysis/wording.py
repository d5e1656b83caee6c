"""Numbers and days as a reader wants them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from abflow.spec.built_in import is_built_in
from abflow.spec.metrics import Metric, ProportionMetric, filter_of


def role(metric: Metric) -> str:
    """What a metric is used for, and whether nobody wrote it down."""
    return f"built-in {metric.role.value}" if is_built_in(metric) else metric.role.value


def named(name: str, metric: Metric) -> str:
    """A metric by its name, and which rows it reads when it does not read them all."""
    rows = filter_of(metric)
    return f"{name} ({rows})" if rows else name


def level(metric: Metric, value: float) -> str:
    """A metric's value: a share in percent, anything else as a number."""
    return f"{100 * value:.2f} %" if isinstance(metric, ProportionMetric) else number(value)


def effect(metric: Metric, value: float) -> str:
    """A difference between arms, with its sign: percentage points for a share."""
    return f"{100 * value:+.2f} pp" if isinstance(metric, ProportionMetric) else f"{value:+.4g}"


def size(metric: Metric, value: float) -> str:
    """A size of effect without a sign."""
    return f"{100 * value:.2f} pp" if isinstance(metric, ProportionMetric) else number(value)


def interval(metric: Metric, lower: float, upper: float) -> str:
    """Both ends of an interval."""
    return f"{effect(metric, lower)} to {effect(metric, upper)}"


def number(value: float) -> str:
    """Four digits that matter, thousands apart."""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.4g}"


def p_value(p: float) -> str:
    """A p-value: no more digits than anybody reads."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def count(n: float) -> str:
    """A whole number, thousands apart."""
    return f"{n:,.0f}".replace(",", " ")


def percent(share: float, digits: int = 2) -> str:
    """A share in percent."""
    return f"{100 * share:.{digits}f} %"


def spans(days: Iterable[date]) -> str:
    """Days in words, those in a row from the first to the last."""
    found: list[list[date]] = []
    for day in sorted(days):
        if found and day - found[-1][-1] == timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in found)
