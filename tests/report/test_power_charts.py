"""Power curves as pictures: fixed, self-contained, and with every name in them."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from abflow.analysis.power_curves import PowerCurves, PowerPoint, SizePoint
from abflow.report.power_charts import power_page, power_plot
from tests.analysis.experiments import BOUGHT, spec_of
from tests.report.pages import outside_addresses

METRIC = spec_of({"retained": BOUGHT}).primary
CURVES = PowerCurves(
    metric="retained",
    asks="effect",
    power=0.8,
    planned=14.0,
    in_days=True,
    size=0.02,
    needed=7682,
    by_units=tuple(
        PowerPoint(size=size, at=float(day), units=500.0 * day, power=min(day * size, 1.0))
        for size in (0.01, 0.02, 0.04)
        for day in range(29)
    ),
    by_size=tuple(SizePoint(size=size, units=round(3 / size**2)) for size in (0.01, 0.02, 0.04)),
)


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)  # noqa: S314  our own output
    return [element.text or "" for element in root.iter() if element.tag.endswith("}text")]


def test_both_pictures_say_what_they_show() -> None:
    shown = texts(power_plot(METRIC, CURVES))
    for wanted in (
        "days of enrolment",
        "power of the decision, %",
        "effect on retained",
        "1.00 pp",
        "2.00 pp",
        "4.00 pp",
        "planned",
        "asked for",
        "effect on retained, pp",
        "units in all arms for 80 % power",
        "the plan: 7 682 units",
    ):
        assert wanted in shown


def test_without_days_the_axis_shows_units_and_no_plan() -> None:
    shown = texts(power_plot(METRIC, replace(CURVES, in_days=False, planned=None)))
    assert "units in all arms" in shown
    assert "planned" not in shown


def test_the_same_curves_give_the_same_bytes_and_fetch_nothing() -> None:
    first = power_plot(METRIC, CURVES)
    assert first == power_plot(METRIC, CURVES)
    assert outside_addresses(first) == []


def test_the_page_holds_the_picture_and_escapes_its_title() -> None:
    page = power_page(METRIC, CURVES, title="Power of <script>")
    assert page.startswith("<!doctype html>")
    assert "<h1>Power of &lt;script&gt;</h1>" in page
    assert "<svg" in page
    assert outside_addresses(page) == []


@pytest.mark.parametrize("count", [1, 5])
def test_few_or_many_sizes_keep_their_shades(count: int) -> None:
    sizes = [0.01 * number for number in range(1, count + 1)]
    points = tuple(PowerPoint(size=size, at=1.0, units=1.0, power=0.5) for size in sizes)
    assert f"{100 * sizes[-1]:.2f} pp" in texts(power_plot(METRIC, replace(CURVES, by_units=points)))
