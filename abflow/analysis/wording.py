"""Numbers as a reader wants them."""

from __future__ import annotations

from abflow.spec.metrics import Metric, ProportionMetric


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
