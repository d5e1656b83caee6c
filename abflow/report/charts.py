"""The interval plot as inline SVG."""

from __future__ import annotations

from abflow.report.bars import Bars
from abflow.report.layers import layers_of
from abflow.report.layout import LINE, SOFT, Layout

_FONT = "system-ui, sans-serif"
_AXIS_HEIGHT = 52


def interval_plot(bars: Bars, layout: Layout) -> str:
    """Draw every interval over one axis in percent of control; the same bars give the same bytes."""
    import altair as alt
    import vl_convert

    height = layout.row * len(bars.rows)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(domain=[bars.low, bars.high], nice=False, zero=False),
        axis=alt.Axis(
            title="difference from control, relative, in %",
            titleColor=SOFT,
            titleFontWeight="normal",
            titleFontSize=12,
            titlePadding=10,
            labelExpr="(datum.value == 0 ? '0' : format(datum.value, '+~g')) + ' %'",
            labelColor=SOFT,
            labelFontSize=12,
            labelPadding=6,
            gridColor=LINE,
            domain=False,
            ticks=False,
            tickCount=layout.ticks,
        ),
    )
    chart = (
        alt.layer(*layers_of(bars, layout, x, height))
        .properties(
            width=layout.plot,
            height=height,
            # Sizes are fixed, so that the picture does not depend on the fonts of the machine that draws it.
            autosize=alt.AutoSizeParams(type="none"),
            padding={"left": layout.left, "right": layout.right, "top": 4, "bottom": _AXIS_HEIGHT},
            background="transparent",
        )
        .configure(font=_FONT, aria=False)
        .configure_view(stroke=None)
    )
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=version, allowed_base_urls=[])
    return svg
