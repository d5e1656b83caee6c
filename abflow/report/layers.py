"""The layers of the interval plot, from the back to the front."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from abflow.report.bars import Bar, Bars
from abflow.report.layout import BAND, INK, PAPER, SOFT, Layout
from abflow.report.tones import Tone

if TYPE_CHECKING:
    import altair as alt

_Placed = list[tuple[Bar, int]]
_Rows = list[dict[str, Any]]
_Align = Literal["left", "center", "right"]

_COLOUR = {
    Tone.GOOD: "var(--good)",
    Tone.CALM: "var(--calm)",
    Tone.OPEN: "var(--open)",
    Tone.BAD: "var(--bad)",
}
_SHAPE = {Tone.GOOD: "circle", Tone.CALM: "circle", Tone.OPEN: "square", Tone.BAD: "diamond"}


def layers_of(bars: Bars, layout: Layout, x: alt.X, height: int) -> Iterable[alt.Chart]:
    """Everything that is drawn, in its order."""
    tops = [layout.row * number for number in range(len(bars.rows))]
    placed = list(zip(bars.rows, tops, strict=True))
    yield _better_sides(bars, placed, layout, x, height)
    yield _line([{"x": 0, "y": 0, "y2": height}], x, height, colour=INK, width=1)
    yield _intervals(bars, placed, layout, x, height)
    yield from _marks(bars, placed, layout, x, height)
    yield _points(bars, placed, layout, x, height)
    yield _arrows(bars, placed, layout, x, height)
    yield from _names(placed, layout, height)


def _y(field: str, height: int) -> alt.Y:
    import altair as alt

    return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[0, height], range=[0, height], nice=False), axis=None)


def _better_sides(bars: Bars, placed: _Placed, layout: Layout, x: alt.X, height: int) -> alt.Chart:
    import altair as alt

    rows: _Rows = [
        {
            "x": 0,
            "x2": bars.high if bar.better > 0 else bars.low,
            "y": top + layout.interval_at - 15,
            "y2": top + layout.interval_at + 15,
        }
        for bar, top in placed
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows)).mark_rect(fill=BAND).encode(x=x, x2="x2:Q", y=_y("y", height), y2="y2:Q")
    )
    return chart


def _intervals(bars: Bars, placed: _Placed, layout: Layout, x: alt.X, height: int) -> alt.Chart:
    import altair as alt

    rows: _Rows = [
        {
            "x": max(bar.lower, bars.low),
            "x2": min(bar.upper, bars.high),
            "y": top + layout.interval_at,
            "colour": _COLOUR[bar.tone],
        }
        for bar, top in placed
        if bar.upper > bars.low and bar.lower < bars.high
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rule(strokeWidth=4, strokeCap="round")
        .encode(x=x, x2="x2:Q", y=_y("y", height), stroke=alt.Stroke("colour:N", scale=None, legend=None))
    )
    return chart


def _points(bars: Bars, placed: _Placed, layout: Layout, x: alt.X, height: int) -> alt.Chart:
    import altair as alt

    rows: _Rows = [
        {
            "x": bar.value,
            "y": top + layout.interval_at,
            "colour": _COLOUR[bar.tone],
            "shape": _SHAPE[bar.tone],
        }
        for bar, top in placed
        if bars.low <= bar.value <= bars.high
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(size=130, stroke=PAPER, strokeWidth=2, opacity=1)
        .encode(
            x=x,
            y=_y("y", height),
            fill=alt.Fill("colour:N", scale=None, legend=None),
            shape=alt.Shape("shape:N", scale=None, legend=None),
        )
    )
    return chart


def _arrows(bars: Bars, placed: _Placed, layout: Layout, x: alt.X, height: int) -> alt.Chart:
    """An arrowhead where an interval goes on beyond the axis."""
    import altair as alt

    rows: _Rows = [
        {"x": end, "y": top + layout.interval_at, "colour": _COLOUR[bar.tone], "shape": shape}
        for bar, top in placed
        for beyond, end, shape in (
            (bar.lower < bars.low, bars.low, "triangle-left"),
            (bar.upper > bars.high, bars.high, "triangle-right"),
        )
        if beyond
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_point(size=110, stroke=None, opacity=1)
        .encode(
            x=x,
            y=_y("y", height),
            fill=alt.Fill("colour:N", scale=None, legend=None),
            shape=alt.Shape("shape:N", scale=None, legend=None),
        )
    )
    return chart


def _marks(bars: Bars, placed: _Placed, layout: Layout, x: alt.X, height: int) -> Iterable[alt.Chart]:
    """Margin and mde with their names, and the bound that is held against the margin."""
    named: dict[_Align, _Rows] = {"left": [], "center": [], "right": []}
    lines: dict[str, _Rows] = {"margin": [], "mde": [], "bound": []}
    for bar, top in placed:
        middle = top + layout.interval_at
        for name, at, reach in (("margin", bar.margin, 17), ("mde", bar.mde, 17), ("bound", bar.bound, 8)):
            if at is None or not bars.low <= at <= bars.high:
                continue
            lines[name].append({"x": at, "y": middle - reach, "y2": middle + reach})
            if name != "bound":
                share = (at - bars.low) / (bars.high - bars.low)
                side: _Align = "left" if share < 0.15 else "right" if share > 0.85 else "center"
                named[side].append({"x": at, "y": top + layout.marks_at, "text": f"{name} {_signed(at)} %"})
    yield _line(lines["margin"], x, height, colour="var(--bad)", width=2, dash=[4, 3])
    yield _line(lines["mde"], x, height, colour="var(--calm)", width=2, dash=[1, 3])
    yield _line(lines["bound"], x, height, colour=INK, width=2)
    for side, rows in named.items():
        if rows:
            for halo in (True, False):
                yield _text(rows, height, x=x, align=side, size=11, colour=SOFT, halo=halo)


def _line(rows: _Rows, x: alt.X, height: int, *, colour: str, width: int, dash: list[float] | None = None) -> alt.Chart:
    import altair as alt

    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rule(stroke=colour, strokeWidth=width, strokeDash=dash or [1, 0])
        .encode(x=x, y=_y("y", height), y2="y2:Q")
    )
    return chart


def _names(placed: _Placed, layout: Layout, height: int) -> Iterable[alt.Chart]:
    names: _Rows = []
    details: _Rows = []
    words: _Rows = []
    numbers: _Rows = []
    for bar, top in placed:
        name_at, detail_at = top + layout.name_at, top + layout.detail_at
        names.append({"y": name_at, "text": _shortened(bar.name, layout.longest)})
        details.append({"y": detail_at, "text": bar.detail})
        words.append({"y": name_at, "text": f"{_signed(bar.value)} %  {bar.word}".rstrip()})
        numbers.append({"y": detail_at, "text": f"{_signed(bar.lower)} to {_signed(bar.upper)} %"})
    left = 2 - layout.left if layout.names_beside else 0
    right = layout.plot + 16 if layout.names_beside else layout.plot
    towards: _Align = "left" if layout.names_beside else "right"
    for halo in (True, False):  # the zero line passes behind the names of a narrow plot
        yield _text(details, height, at=left, align="left", size=12, colour=SOFT, halo=halo)
    yield _text(names, height, at=left, align="left", size=14, colour=INK, bold=True)
    yield _text(words, height, at=right, align=towards, size=14, colour=INK, bold=True)
    if layout.names_beside:  # a telephone has no room for them; the table has them
        yield _text(numbers, height, at=right, align=towards, size=12, colour=SOFT)


def _text(  # noqa: PLR0913  where, and how it looks
    rows: _Rows,
    height: int,
    *,
    align: _Align,
    size: int,
    colour: str,
    x: alt.X | None = None,
    at: int = 0,
    bold: bool = False,
    halo: bool = False,
) -> alt.Chart:
    """Text at a place on the axis, or at a pixel; a halo keeps lines behind it from crossing it."""
    import altair as alt

    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_text(
            align=align,
            fontSize=size,
            fontWeight=600 if bold else 400,
            fill=colour,
            stroke=PAPER if halo else alt.Undefined,
            strokeWidth=5 if halo else 0,
            strokeJoin="round",
        )
        .encode(x=x if x is not None else alt.value(at), y=_y("y", height), text="text:N")
    )
    return chart


def _shortened(name: str, longest: int) -> str:
    line = " ".join(name.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _signed(percent: float) -> str:
    """With the axis's own minus sign."""
    return f"{percent:+.2f}".replace("-", "−")
