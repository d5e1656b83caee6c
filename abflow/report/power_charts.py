"""Power curves as inline SVG: what more days bring, and what a smaller effect costs."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from abflow.analysis import wording
from abflow.analysis.power_curves import PowerCurves
from abflow.spec.metrics import Metric

if TYPE_CHECKING:
    import altair

# The picture is a file of its own, without a page that could lend it light or dark colours.
INK, SOFT, LINE, PAPER, MARK = "#1f2328", "#59636e", "#d1d9e0", "#ffffff", "#c4321c"
_SHADES = ("#9fc3e8", "#6da3d8", "#1f6feb", "#1a4f9c", "#12325f")  # light to dark: small to large effects
_WIDTH, _HEIGHT = 380, 280


def power_plot(metric: Metric, curves: PowerCurves) -> str:
    """Draw both pictures side by side; the same curves give the same bytes."""
    import altair as alt
    import vl_convert

    chart = (
        alt.hconcat(_power(metric, curves), _units(metric, curves), spacing=100, bounds="flush")
        .properties(background=PAPER, padding=12)
        .configure(font="system-ui, sans-serif", aria=False)
        .configure_axis(
            labelColor=SOFT,
            titleColor=SOFT,
            titleFontWeight="normal",
            labelFontSize=12,
            titleFontSize=12,
            gridColor=LINE,
            domain=False,
            ticks=False,
        )
        .configure_legend(labelColor=INK, titleColor=SOFT, titleFontWeight="normal", labelFontSize=12, titleFontSize=12)
        .configure_title(color=INK, fontSize=14, anchor="start")
        .configure_view(stroke=None)
    )
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=version, allowed_base_urls=[])
    return svg


def power_page(metric: Metric, curves: PowerCurves, *, title: str) -> str:
    """The same as a page that fetches nothing."""
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<h1>{escape(title)}</h1>\n{power_plot(metric, curves)}\n</html>\n"
    )


def _power(metric: Metric, curves: PowerCurves) -> altair.LayerChart | altair.FacetChart:
    """Power over days of enrolment, or over units, one line for each size."""
    import altair as alt

    sizes = sorted({point.size for point in curves.by_units})
    named = {size: wording.size(metric, size) for size in sizes}
    rows = [{"at": p.at, "power": 100 * p.power, "size": named[p.size]} for p in curves.by_units]
    across = "days of enrolment" if curves.in_days else "units in all arms"
    x = alt.X("at:Q", title=across, scale=alt.Scale(nice=False), axis=alt.Axis(tickCount=6, format="~s"))
    y = alt.Y("power:Q", title="power of the decision, %", scale=alt.Scale(domain=[0, 100]))
    lines = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2.5)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "size:N",
                title=f"{curves.asks} on {curves.metric}",
                sort=list(named.values()),
                scale=alt.Scale(domain=list(named.values()), range=list(_SHADES[: len(named)])),
                legend=alt.Legend(orient="bottom", direction="horizontal"),
            ),
        )
    )
    layers: list[altair.Chart] = [lines, *_rule(y="power", at=100 * curves.power, said="asked for")]
    if curves.planned is not None:
        layers += _rule(x="at", at=curves.planned, said="planned")
    return alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT, title="What more time brings")


def _rule(*, at: float, said: str, x: str | None = None, y: str | None = None) -> list[altair.Chart]:
    """A dashed line where the plan lies, with its name."""
    import altair as alt

    field = f"{x or y}"
    base = alt.Chart(alt.InlineData(values=[{field: at}]))
    rule = base.mark_rule(strokeDash=[4, 4], color=MARK)
    if x:
        name = base.mark_text(text=said, align="left", dx=5, color=MARK, fontSize=12)
        return [rule.encode(x=f"{x}:Q"), name.encode(x=f"{x}:Q", y=alt.value(8))]
    name = base.mark_text(text=said, align="right", dy=-8, color=MARK, fontSize=12)
    return [rule.encode(y=f"{y}:Q"), name.encode(x=alt.value(_WIDTH - 4), y=f"{y}:Q")]


def _units(metric: Metric, curves: PowerCurves) -> altair.LayerChart | altair.FacetChart:
    """Units over the size of the effect, at the power planned for."""
    import altair as alt

    percent = wording.size(metric, 1.0).endswith("pp")
    scale = 100 if percent else 1
    rows = [{"size": scale * p.size, "units": p.units} for p in curves.by_size]
    title = f"{curves.asks} on {curves.metric}{', pp' if percent else ''}"
    x = alt.X("size:Q", title=title, scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(tickCount=6, format="~g"))
    y = alt.Y(
        "units:Q",
        title=f"units in all arms for {100 * curves.power:g} % power",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(tickCount=5, format="~s"),
    )
    line = alt.Chart(alt.InlineData(values=rows)).mark_line(strokeWidth=2.5, color=_SHADES[2]).encode(x=x, y=y)
    plan = alt.Chart(alt.InlineData(values=[{"size": scale * curves.size, "units": curves.needed}]))
    dot = plan.mark_point(filled=True, size=90, color=MARK, opacity=1).encode(x=x, y=y)
    said = plan.mark_text(align="left", dx=8, dy=-10, color=INK, fontSize=12).encode(
        x=x, y=y, text=alt.value(f"the plan: {wording.count(curves.needed)} units")
    )
    return alt.layer(line, dot, said).properties(width=_WIDTH, height=_HEIGHT, title="What a smaller size costs")
