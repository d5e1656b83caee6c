from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from abflow.report.bars import Bars, bars_of
from abflow.report.charts import interval_plot
from abflow.report.layout import NARROW, WIDE, Layout
from tests.report.pages import outside_addresses
from tests.report.stories import complaints, estimate, retained, revenue, spec_of

SPEC = spec_of()
BARS = bars_of(SPEC, [retained(), revenue(), complaints()])


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)  # noqa: S314  our own output
    return [element.text or "" for element in root.iter() if element.tag.endswith("}text")]


def lines(svg: str, colour: str) -> int:
    return len(re.findall(rf'<line[^>]*stroke="var\(--{colour}\)"', svg))


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_plot_names_every_row_and_its_marks(layout: Layout) -> None:
    shown = texts(interval_plot(BARS, layout))
    for wanted in (
        "retained",
        "revenue",
        "complaints",
        "+3.51 %  better",
        "−2.90 %  safe",
        "mde +1.99 %",
        "margin −2.00 %",
        "margin +10.00 %",
        "guardrail, less is better ←",
    ):
        assert wanted in shown


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_plot_has_a_fixed_size_and_fetches_nothing(layout: Layout) -> None:
    svg = interval_plot(BARS, layout)
    assert f'width="{layout.width}"' in svg
    assert outside_addresses(svg) == []


def test_zero_margins_and_bounds_are_drawn() -> None:
    svg = interval_plot(BARS, WIDE)
    assert lines(svg, "bad") == 2  # two guardrails
    assert lines(svg, "ink") == 3  # zero, and a bound for each guardrail
    assert lines(svg, "calm") == 1  # the primary's mde
    assert lines(svg, "good") == 3  # every interval


def test_the_better_side_is_right_or_left_of_zero_as_the_metric_says() -> None:
    def shaded(bars: Bars) -> str:
        svg = interval_plot(bars, WIDE)
        (path,) = re.findall(r'd="M([\d.]+),[\d.]+h([\d.]+)[^"]*"[^>]*fill="var\(--band\)"', svg)
        zero = WIDE.plot * -bars.low / (bars.high - bars.low)
        left, width = map(float, path)
        return "right" if left == pytest.approx(zero, abs=0.01) and width > 1 else "left"

    assert shaded(bars_of(SPEC, [revenue()])) == "right"
    assert shaded(bars_of(SPEC, [complaints()])) == "left"


def test_a_cut_interval_ends_within_the_plot_in_two_arrows() -> None:
    wide = replace(complaints(), relative=estimate(0.01, 5.0))
    plain = interval_plot(BARS, WIDE).count("<path")
    cut = interval_plot(bars_of(SPEC, [retained(), revenue(), wide]), WIDE)
    assert cut.count("<path") == plain + 2
    assert "−499.00 to +501.00 %" in texts(cut)


def test_long_and_hostile_names_are_shortened_and_escaped() -> None:
    bar = replace(BARS.rows[0], name="<b>&" + "x" * 300)
    svg = interval_plot(replace(BARS, rows=(bar,)), WIDE)
    assert "<b>" not in svg
    shown = next(text for text in texts(svg) if text.startswith("<b>&"))
    assert len(shown) == WIDE.longest
    assert shown.endswith("…")


def test_same_bars_give_the_same_bytes() -> None:
    assert interval_plot(BARS, WIDE) == interval_plot(BARS, WIDE)
