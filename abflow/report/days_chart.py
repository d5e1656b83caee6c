"""The day-by-day plot as inline SVG: one dot with its interval per day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abflow.report.layout import BAND, INK, LINE, PAPER, SOFT, DaysLayout
from abflow.report.over_time import DaysPlot

if TYPE_CHECKING:
    import altair as alt

_COLOUR = "var(--calm)"  # a day earns no word, so it has no colour


def days_plot(plot: DaysPlot, layout: DaysLayout) -> str:
    """Draw the effects over the days; the same days give the same bytes."""
    import altair as alt
    import vl_convert

    chart = (
        alt.layer(_better_side(plot, layout), _zero(plot, layout), _intervals(plot, layout), _points(plot, layout))
        .properties(
            width=layout.plot,
            height=layout.height,
            autosize=alt.AutoSizeParams(type="none"),
            padding={"left": layout.left, "right": layout.right, "top": 8, "bottom": 52},
            background="transparent",
        )
        .configure(font="system-ui, sans-serif", aria=False)
        .configure_view(stroke=None)
    )
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=version, allowed_base_urls=[])
    return svg


def _x(plot: DaysPlot, layout: DaysLayout) -> alt.X:
    import altair as alt

    last = len(plot.labels) - 1
    labelled = sorted({round(last * n / (layout.labels - 1)) for n in range(layout.labels)})
    return alt.X(
        "at:Q",
        scale=alt.Scale(domain=[-0.6, last + 0.6], nice=False, zero=False),
        axis=alt.Axis(
            title=plot.across,
            values=labelled,
            labelExpr=f"{json.dumps(plot.labels)}[datum.value]",
            grid=False,
            titleColor=SOFT,
            titleFontWeight="normal",
            titleFontSize=12,
            titlePadding=10,
            labelColor=SOFT,
            labelFontSize=12,
            labelPadding=6,
            domain=False,
            ticks=False,
        ),
    )


def _y(plot: DaysPlot) -> alt.Y:
    import altair as alt

    unit = f" + ' {plot.unit}'" if plot.unit else ""
    return alt.Y(
        "value:Q",
        scale=alt.Scale(domain=[plot.low, plot.high], nice=False, zero=False),
        axis=alt.Axis(
            title=None,
            labelExpr=f"(datum.value == 0 ? '0' : format(datum.value, '+~g')){unit}",
            labelColor=SOFT,
            labelFontSize=12,
            labelPadding=6,
            gridColor=LINE,
            domain=False,
            ticks=False,
            tickCount=5,
        ),
    )


def _better_side(plot: DaysPlot, layout: DaysLayout) -> alt.Chart:
    import altair as alt

    rows = [{"value": 0, "end": plot.high if plot.better > 0 else plot.low}]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(fill=BAND)
        .encode(x=alt.value(0), x2=alt.value(layout.plot), y=_y(plot), y2="end:Q")
    )
    return chart


def _zero(plot: DaysPlot, layout: DaysLayout) -> alt.Chart:
    import altair as alt

    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=[{"value": 0}]))
        .mark_rule(stroke=INK, strokeWidth=1)
        .encode(x=alt.value(0), x2=alt.value(layout.plot), y=_y(plot))
    )
    return chart


def _intervals(plot: DaysPlot, layout: DaysLayout) -> alt.Chart:
    import altair as alt

    rows = [{"at": day.at, "value": max(day.lower, plot.low), "end": min(day.upper, plot.high)} for day in plot.days]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rule(stroke=_COLOUR, strokeWidth=2, opacity=0.55)
        .encode(x=_x(plot, layout), y=_y(plot), y2="end:Q")
    )
    return chart


def _points(plot: DaysPlot, layout: DaysLayout) -> alt.Chart:
    import altair as alt

    rows = [{"at": day.at, "value": day.value} for day in plot.days]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(shape="circle", size=layout.dot, fill=_COLOUR, stroke=PAPER, strokeWidth=1, opacity=1)
        .encode(x=_x(plot, layout), y=_y(plot))
    )
    return chart
