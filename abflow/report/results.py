"""`Results`: everything on a page that only a readout can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from abflow.analysis import wording
from abflow.analysis.readout import Readout
from abflow.report.attribution import RowsLine, exposures_told, rows_lines
from abflow.report.bars import Bars, bars_of
from abflow.report.charts import interval_plot
from abflow.report.days_chart import days_plot
from abflow.report.evidence import Evidence
from abflow.report.layout import NARROW, NARROW_DAYS, WIDE, WIDE_DAYS
from abflow.report.over_time import DaysPlot, TrendLine, Trends, trends_of
from abflow.report.rows import MetricRow, metric_rows
from abflow.report.segments import SegmentTables, segment_tables
from abflow.report.stages import CheckLine, check_lines
from abflow.spec.assignment import bucket_shares
from abflow.spec.metrics import Role

POLICY_IN_WORDS = {
    "exclude": "units seen in two variants left out",
    "keep_first": "units seen in two variants kept in their first",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One plot in both of its shapes."""

    wide: Markup
    narrow: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitLine:
    """Units of one variant against its planned share."""

    variant: str
    version: str
    units: str
    share: str
    planned: str
    expected: str
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What the test showed, ready to print.

    Attributes:
        beside: The primary under the other policy, and whether it earned the same word.
        segments: Effects by segment; None without any.
        trends: Effects over time; None without any.
        days: The primary's trends, each with its picture where there is one.
        exposures: What became of the exposure log's rows, in sentences.
        outcomes: Which rows of the outcome log counted; empty in a readout that was kept before they were told.
    """

    primary: tuple[MetricRow, ...]
    rows: tuple[MetricRow, ...]
    policy: str
    beside: tuple[tuple[MetricRow, bool], ...]
    beside_policy: str
    bars: Bars
    plot: Picture | None
    segments: SegmentTables | None
    trends: Trends | None
    days: tuple[tuple[TrendLine, Picture | None], ...]
    split: tuple[SplitLine, ...]
    enrolled: str
    crossed: str
    too_late: str
    exposures: tuple[str, ...]
    outcomes: tuple[RowsLine, ...]
    checks: tuple[CheckLine, ...]


def results_of(evidence: Evidence, readout: Readout) -> Results:
    """Lay out a readout."""
    spec = evidence.spec
    bars = bars_of(spec, readout.comparisons)
    primary = [c for c in readout.comparisons if c.role is Role.PRIMARY]
    others = [readout.other(c.metric, c.arm) for c in primary]
    same_word = [mine.word is other.word for mine, other in zip(primary, others, strict=True)]
    trends = trends_of(spec, readout.over_time)
    return Results(
        primary=metric_rows(spec, primary),
        rows=metric_rows(spec, readout.comparisons),
        policy=POLICY_IN_WORDS[readout.contamination],
        beside=tuple(zip(metric_rows(spec, others), same_word, strict=True)),
        beside_policy=POLICY_IN_WORDS[others[0].contamination],
        bars=bars,
        plot=_picture(interval_plot(bars, WIDE), interval_plot(bars, NARROW)) if bars.rows else None,
        segments=segment_tables(spec, readout.segments),
        trends=trends,
        days=_days(trends.primary) if trends else (),
        split=_split(evidence, readout),
        enrolled=wording.count(sum(readout.units.values())),
        crossed=wording.count(readout.crossed),
        too_late=wording.count(readout.too_late),
        exposures=exposures_told(readout),
        outcomes=rows_lines(readout),
        checks=check_lines(readout.checks),
    )


def _picture(wide: str, narrow: str) -> Picture:
    """Names in a plot are escaped by Vega when it writes the SVG."""
    return Picture(wide=Markup(wide), narrow=Markup(narrow))  # noqa: S704


def _days(trends: Sequence[TrendLine]) -> tuple[tuple[TrendLine, Picture | None], ...]:
    return tuple((trend, _drawn(trend.plot) if trend.plot else None) for trend in trends)


def _drawn(plot: DaysPlot) -> Picture:
    return _picture(days_plot(plot, WIDE_DAYS), days_plot(plot, NARROW_DAYS))


def _split(evidence: Evidence, readout: Readout) -> tuple[SplitLine, ...]:
    shares = bucket_shares(evidence.spec)
    versions = evidence.blueprint.versions if evidence.blueprint else {}
    total = sum(readout.units.values())
    lines = []
    for variant, planned in shares.items():
        units = readout.units.get(variant, 0)
        share = units / total if total else None
        lines.append(
            SplitLine(
                variant=variant,
                version=versions.get(variant) or "–",
                units=wording.count(units),
                share=wording.percent(share) if share is not None else "–",
                planned=wording.percent(planned),
                expected=wording.count(planned * total),
                width=round(100 * (share or 0), 2),
            )
        )
    return tuple(lines)
