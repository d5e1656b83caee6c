"""The rates of a study as a picture: a dot for what was counted, a band for where it must lie."""

from __future__ import annotations

from collections.abc import Sequence

from abflow.calibration.study import Rate

# The picture stands in documentation, without a page around it that could lend it light or dark colours.
INK, SOFT, LINE, PAPER, BAND = "#1f2328", "#59636e", "#d1d9e0", "#ffffff", "#c3dfd0"
TONES = {"kept": ("#1a7f4b", "circle"), "broken": ("#c4321c", "cross"), "shown": ("#7a8390", "diamond")}
_ROW = 28
_PLOT = 420
_LETTER = 6.5  # pixels of a character at 12 pixels
_NUMBER = 64  # pixels of a rate beside the plot
_AXIS = 48


def rates_plot(rates: Sequence[Rate]) -> str:
    """Every rate of a study over one axis, as inline SVG; the same rates give the same bytes."""
    import altair as alt
    import vl_convert

    low, high = _domain(rates)
    rows = [_row(number, rate, low, high) for number, rate in enumerate(rates)]
    scale = alt.Scale(domain=[low, high], nice=False, zero=False)
    axis = alt.Axis(title="share of runs", format="~g", tickCount=6, gridColor=LINE, domain=False, ticks=False)
    y = alt.Y("row:Q", scale=alt.Scale(domain=[len(rows) - 0.5, -0.5], nice=False), axis=None)
    base = alt.Chart(alt.InlineData(values=rows))
    tones = alt.Scale(domain=list(TONES), range=[colour for colour, _ in TONES.values()])
    shapes = alt.Scale(domain=list(TONES), range=[shape for _, shape in TONES.values()])
    chart = (
        alt.layer(
            base.transform_filter("datum.judged")
            .mark_rule(strokeWidth=12, color=BAND, opacity=1)
            .encode(x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q", y=y),
            base.mark_point(filled=True, size=70, opacity=1).encode(
                x=alt.X("share:Q", scale=scale, axis=axis),
                y=y,
                color=alt.Color("tone:N", scale=tones, legend=None),
                shape=alt.Shape("tone:N", scale=shapes, legend=None),
            ),
            base.mark_text(align="right", baseline="middle", color=INK, fontSize=12).encode(
                x=alt.value(-10), y=y, text="what:N"
            ),
            base.mark_text(align="left", baseline="middle", color=INK, fontSize=12).encode(
                x=alt.value(_PLOT + 10), y=y, text="number:N"
            ),
        )
        .properties(
            width=_PLOT,
            height=_ROW * len(rows),
            autosize=alt.AutoSizeParams(type="none"),
            padding={
                "left": 20 + round(_LETTER * max(len(rate.what) for rate in rates)),
                "right": _NUMBER,
                "top": 8,
                "bottom": _AXIS,
            },
            background=PAPER,
        )
        .configure(font="system-ui, sans-serif", aria=False)
        .configure_axis(labelColor=SOFT, titleColor=SOFT, titleFontWeight="normal", labelFontSize=12, titleFontSize=12)
        .configure_view(stroke=None)
    )
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=version, allowed_base_urls=[])
    return svg


def _domain(rates: Sequence[Rate]) -> tuple[float, float]:
    """From a little below the least rate or limit to a little above the greatest, within 0 to 1."""
    ends = [rate.share for rate in rates]
    ends += [rate.limits[0] for rate in rates if rate.low is not None]
    ends += [rate.limits[1] for rate in rates if rate.high is not None]
    room = max(0.1 * (max(ends) - min(ends)), 0.005)
    return max(min(ends) - room, -0.02), min(max(ends) + room, 1.02)


def _row(number: int, rate: Rate, low: float, high: float) -> dict[str, object]:
    """A rate as the picture needs it; a limit that there is not lies at the edge."""
    limits = rate.limits
    return {
        "row": number,
        "what": rate.what,
        "share": rate.share,
        "number": f"{rate.share:.4f}",
        "judged": rate.judged,
        "low": low if rate.low is None else limits[0],
        "high": high if rate.high is None else limits[1],
        "tone": ("kept" if rate.holds else "broken") if rate.judged else "shown",
    }
