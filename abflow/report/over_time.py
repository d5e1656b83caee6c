"""Effects day by day: what the picture shows for the primary, and one line for every other metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from abflow.analysis import wording
from abflow.analysis.readout import EffectsOverTime
from abflow.report.notation import coverage, p_of
from abflow.report.tones import Tone
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import MeanMetric, Metric, ProportionMetric, Role
from abflow.stats.result import Estimate

BY_IN_WORDS = {
    "entry_day": "by day of entry",
    "day_since_exposure": "by day since exposure",
    "calendar_day": "by calendar day",
}
UNITS_IN_WORDS = {
    "entry_day": "Other units on each day",
    "day_since_exposure": "The same units on every day",
    "calendar_day": "Everybody who had entered by the end of the day",
}
ACROSS = {"entry_day": "day of entry", "day_since_exposure": "day since exposure", "calendar_day": "calendar day"}
WORD = {
    "wears_off": ("wears off", Tone.OPEN),
    "grows": ("grows", Tone.OPEN),
    "steady": ("steady", Tone.CALM),
    None: ("not tested", Tone.CALM),
}
# A day with few units has an interval that would squeeze the others to dots; it is cut, and said so.
WIDEST = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The effect of one day, as logged; of a share in percentage points."""

    at: int
    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DaysPlot:
    """One dot with its interval per day, and the ends of the axis.

    Attributes:
        labels: Of all days, in their order; `Day.at` counts them from 0.
        better: +1 where up is better, -1 where down is.
        cut: Days that reach beyond the axis.
        missing: Days without an effect.
    """

    labels: tuple[str, ...]
    days: tuple[Day, ...]
    low: float
    high: float
    better: int
    unit: str
    across: str
    cut: tuple[str, ...]
    missing: tuple[str, ...]
    described: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendLine:
    """What the days of one metric in one arm say.

    Attributes:
        explored: Whether the metric is no part of the plan.
        units: Who is seen on each day.
        word: Whether the benefit wears off, grows or shows no trend.
        test: The numbers behind the word, or why there are none.
        plot: The days; None where no day has an effect.
    """

    metric: str
    arm: str
    by: str
    explored: bool
    units: str
    word: str
    tone: Tone
    test: str
    plot: DaysPlot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """The primary's days, and the others' words."""

    primary: tuple[TrendLine, ...]
    others: tuple[TrendLine, ...]


def trends_of(spec: ExperimentSpec, over_time: Sequence[EffectsOverTime]) -> Trends | None:
    """Every metric's course, in the order of the plan; None without any."""
    if not over_time:
        return None
    ordered = sorted(over_time, key=lambda found: list(spec.metrics).index(found.metric))
    deciding = [found for found in ordered if spec.metrics[found.metric].role is Role.PRIMARY]
    tested = [found for found in ordered if found.by != "calendar_day"]
    rest = [found for found in tested if spec.metrics[found.metric].role is not Role.PRIMARY]
    return Trends(
        primary=tuple(_line(spec, found) for found in deciding), others=tuple(_line(spec, found) for found in rest)
    )


def _line(spec: ExperimentSpec, found: EffectsOverTime) -> TrendLine:
    word, tone = WORD[found.word]
    return TrendLine(
        metric=found.metric,
        arm=found.arm,
        by=BY_IN_WORDS[found.by],
        explored=not spec.metrics[found.metric].role.planned,
        units=f"{UNITS_IN_WORDS[found.by]}{_each_day(found)}.{_uncapped(spec.metrics[found.metric], found)}",
        word=word,
        tone=tone,
        test=_test(found),
        plot=_plot(spec.metrics[found.metric], found),
    )


def _each_day(found: EffectsOverTime) -> str:
    confidences = {effect.confidence for effect in found.effects if isinstance(effect, Estimate)}
    return f"; each day has its own {coverage(min(confidences))} interval" if confidences else ""


def _uncapped(metric: Metric, found: EffectsOverTime) -> str:
    """A cap is over what a unit did in its whole window, so single days have none."""
    capped = isinstance(metric, MeanMetric) and metric.cap is not None and found.by != "entry_day"
    return " Values of single days are not capped." if capped else ""


def _test(found: EffectsOverTime) -> str:
    told = []
    if found.trend_p is not None:
        told.append(f"trend: {p_of(found.trend_p)}")
    if found.p_value is not None:
        told.append(f"any difference between days: {p_of(found.p_value)}")
    sentence = "; ".join(told) or _why_untested(found)
    return sentence[:1].upper() + sentence[1:]


def _why_untested(found: EffectsOverTime) -> str:
    if found.by == "calendar_day":
        return "units are in many of these days, so the days are not tested against each other"
    why = [effect.detail for effect in found.effects if not isinstance(effect, Estimate)]
    return why[0] if why else "the days could not be compared"


def _plot(metric: Metric, found: EffectsOverTime) -> DaysPlot | None:
    scale = 100 if isinstance(metric, ProportionMetric) else 1
    days = tuple(
        Day(at=at, value=scale * effect.value, lower=scale * effect.lower, upper=scale * effect.upper)
        for at, effect in enumerate(found.effects)
        if isinstance(effect, Estimate)
    )
    if not days:
        return None
    low, high = _axis(days)
    told = "; ".join(
        f"{day}: {wording.effect(metric, effect.value)} ({wording.interval(metric, effect.lower, effect.upper)})"
        for day, effect in zip(found.days, found.effects, strict=True)
        if isinstance(effect, Estimate)
    )
    drawn = {day.at for day in days}
    return DaysPlot(
        labels=found.days,
        days=days,
        low=low,
        high=high,
        better=metric.sign,
        unit="pp" if scale == 100 else "",
        across=ACROSS[found.by],
        cut=tuple(found.days[day.at] for day in days if day.lower < low or day.upper > high),
        missing=tuple(day for at, day in enumerate(found.days) if at not in drawn),
        described=f"Effect on {found.metric} {BY_IN_WORDS[found.by]}. {told}.",
    )


def _axis(days: Sequence[Day]) -> tuple[float, float]:
    """Both ends, 0 and every dot always inside, with room above and below."""
    reach = WIDEST * median((day.upper - day.lower) / 2 for day in days)
    low = min(0.0, *(max(day.lower, day.value - reach) for day in days))
    high = max(0.0, *(min(day.upper, day.value + reach) for day in days))
    room = 0.08 * (high - low) or 1.0
    return low - room, high + room
