"""How a report writes shares, probabilities, levels and the names of corrections."""

from __future__ import annotations

from abflow.analysis import wording
from abflow.spec.metrics import Metric, ProportionMetric
from abflow.stats.result import Estimate, Unavailable

NONE = "–"
_BY_NAME = {
    "holm": "Holm",
    "hochberg": "Hochberg",
    "bonferroni": "Bonferroni",
    "benjamini_hochberg": "Benjamini-Hochberg",
    "benjamini_yekutieli": "Benjamini-Yekutieli",
}


def printable(text: str) -> str:
    """One line of text that somebody else wrote, without anything that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def signed_percent(share: float) -> str:
    """A relative change."""
    return f"{100 * share:+.2f} %"


def relative_interval(lower: float, upper: float) -> str:
    """Both ends of the interval of a relative change."""
    return f"{signed_percent(lower)} to {signed_percent(upper)}"


def coverage(confidence: float) -> str:
    """The confidence of an interval, such as 95 %."""
    return f"{100 * confidence:.6g} %"


def p_of(p: float) -> str:
    """A p-value with its letter."""
    return f"p {wording.p_value(p)}"


def p_or_none(p: float | None) -> str:
    """A p-value where there is one."""
    return NONE if p is None else wording.p_value(p)


def probability(share: float) -> str:
    """A probability; what is not certain is never written as 0 or 1."""
    if 0.9999 < share < 1:
        return "> 0.9999"
    return "< 0.0001" if 0 < share < 1e-4 else f"{share:.4f}"


def loss(metric: Metric, value: float) -> str:
    """An expected loss, which may be far smaller than any effect."""
    if not isinstance(metric, ProportionMetric):
        return wording.number(value)
    return "below 0.0001 pp" if 0 < 100 * value < 1e-4 else f"{wording.number(100 * value)} pp"


def estimated(metric: Metric, found: Estimate | Unavailable) -> str:
    """An effect with its interval, or why there is none."""
    if isinstance(found, Unavailable):
        return f"not available: {found.detail}"
    ends = wording.interval(metric, found.lower, found.upper)
    return f"{wording.effect(metric, found.value)} ({coverage(found.confidence)}: {ends})"


def correction(name: str | None) -> str:
    """Who corrected a p-value; readouts of an older kind were all corrected by Holm."""
    return _BY_NAME.get(name or "holm", name or "")
