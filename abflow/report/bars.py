"""What the interval plot shows: every comparison relative to control, in percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abflow.analysis import wording
from abflow.analysis.readout import Comparison, Margin
from abflow.report.rows import in_words
from abflow.report.tones import OF_WORD, Tone
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role
from abflow.stats.result import Estimate, Unavailable

# An interval much wider than the primary's would squeeze the primary to a dot; it is cut, and said so.
WIDEST = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One interval, in percent of the control's mean, as logged.

    Attributes:
        word: The word it has earned; empty where it can earn none.
        better: +1 where the right side is better, -1 where the left is.
        margin: Where the allowed loss ends.
        bound: The one-sided bound that is held against the margin.
        mde: The smallest effect worth detecting.
    """

    name: str
    detail: str
    value: float
    lower: float
    upper: float
    word: str
    tone: Tone
    better: int
    role: Role
    margin: float | None = None
    bound: float | None = None
    mde: float | None = None

    @property
    def marks(self) -> tuple[float, ...]:
        """Every place on the axis that this bar needs."""
        found = (self.lower, self.upper, self.margin, self.bound, self.mde)
        return tuple(mark for mark in found if mark is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPlotted:
    """A comparison without a relative interval, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """The rows of the plot and the ends of its axis.

    Attributes:
        cut: Names of the rows that reach beyond the axis.
    """

    rows: tuple[Bar, ...]
    missing: tuple[NotPlotted, ...]
    low: float
    high: float
    cut: tuple[str, ...]

    @property
    def described(self) -> str:
        """The plot in words, for those who cannot see it."""
        return "Effects relative to control. " + " ".join(
            f"{bar.name} ({bar.detail}): {bar.word}{', ' if bar.word else ''}{bar.value:+.2f} % "
            f"({bar.lower:+.2f} % to {bar.upper:+.2f} %)."
            for bar in self.rows
        )


def bars_of(spec: ExperimentSpec, comparisons: Sequence[Comparison]) -> Bars:
    """Lay every comparison on one axis; what cannot be plotted is listed with its reason."""
    rows, missing = [], []
    for found in comparisons:
        name = f"{found.metric} · {found.arm}" if len(spec.treatments) > 1 else found.metric
        why = _why_not(found)
        if isinstance(found.relative, Estimate) and why is None:
            rows.append(_bar(spec, found, found.relative, name))
        else:
            missing.append(NotPlotted(name=name, reason=why or "there is no relative effect"))
    low, high = _axis(rows)
    cut = tuple(bar.name for bar in rows if min(bar.marks) < low or max(bar.marks) > high)
    return Bars(rows=tuple(rows), missing=tuple(missing), low=low, high=high, cut=cut)


def _why_not(found: Comparison) -> str | None:
    for estimate in (found.effect, found.relative):
        if isinstance(estimate, Unavailable):
            return estimate.detail
    return None if found.control.mean else "the control's mean is 0"


def _bar(spec: ExperimentSpec, found: Comparison, relative: Estimate, name: str) -> Bar:
    metric = spec.metrics[found.metric]
    to_percent = 100 / abs(found.control.mean)
    margin = found.margin if isinstance(found.margin, Margin) else None
    return Bar(
        name=name,
        detail=f"{wording.role(metric)}, {in_words(metric)} {'→' if metric.sign > 0 else '←'}",
        value=100 * relative.value,
        lower=100 * relative.lower,
        upper=100 * relative.upper,
        word=found.answer if found.role.planned else "",
        tone=OF_WORD[found.word] if found.word else Tone.CALM,
        better=metric.sign,
        role=found.role,
        margin=-metric.sign * margin.margin * to_percent if margin else None,
        bound=metric.sign * (margin.lower - margin.margin) * to_percent if margin else None,
        mde=metric.sign * found.mde * to_percent if found.mde is not None else None,
    )


def _axis(rows: Sequence[Bar]) -> tuple[float, float]:
    """Both ends, 0 always inside, with room at the sides; what is only explored squeezes nothing."""
    marks = [mark for bar in rows if bar.role.planned for mark in bar.marks] or [0.0]
    leading = [abs(mark) for bar in rows if bar.role is Role.PRIMARY for mark in bar.marks]
    widest = WIDEST * max(leading) if leading and max(leading) > 0 else max(map(abs, marks))
    low, high = max(min(*marks, 0.0), -widest), min(max(*marks, 0.0), widest)
    room = 0.08 * (high - low) or 1.0
    return low - room, high + room
