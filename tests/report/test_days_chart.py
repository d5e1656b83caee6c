from __future__ import annotations

import re
from dataclasses import replace

import pytest

from abflow.analysis.readout import EffectsOverTime
from abflow.report.days_chart import days_plot
from abflow.report.layout import NARROW_DAYS, WIDE_DAYS, DaysLayout
from abflow.report.over_time import DaysPlot, trends_of
from tests.report.pages import outside_addresses
from tests.report.rich_stories import course
from tests.report.stories import spec_of
from tests.report.test_charts import lines, texts


def plot_of(found: EffectsOverTime) -> DaysPlot:
    read = trends_of(spec_of(), [found])
    assert read is not None
    plot = (*read.primary, *read.others)[0].plot
    assert plot is not None
    return plot


PLOT = plot_of(course())


@pytest.mark.parametrize("layout", [WIDE_DAYS, NARROW_DAYS])
def test_every_day_with_an_effect_has_a_dot_and_an_interval(layout: DaysLayout) -> None:
    svg = days_plot(PLOT, layout)
    assert lines(svg, "calm") == len(PLOT.days) == 13
    assert len(re.findall(r'<path[^>]*fill="var\(--calm\)"', svg)) == 13
    assert lines(svg, "ink") == 1  # zero


@pytest.mark.parametrize("layout", [WIDE_DAYS, NARROW_DAYS])
def test_the_first_and_the_last_day_are_named_and_no_more_than_fit(layout: DaysLayout) -> None:
    shown = texts(days_plot(plot_of(course(days=60)), layout))
    dates = [text for text in shown if text.startswith("2026-")]
    assert (dates[0], dates[-1]) == ("2026-10-18", "2026-12-16")
    assert len(dates) <= layout.labels
    assert "day of entry" in shown


def test_the_axis_has_the_metrics_unit() -> None:
    assert "+5 pp" in texts(days_plot(PLOT, WIDE_DAYS))
    assert not [text for text in texts(days_plot(plot_of(course("revenue")), WIDE_DAYS)) if "pp" in text]


def test_the_shaded_side_is_above_or_below_zero_as_the_metric_says() -> None:
    def shaded(metric: str) -> float:
        (path,) = re.findall(
            r'd="M0,([\d.]+)h[^"]*"[^>]*fill="var\(--band\)"', days_plot(plot_of(course(metric)), WIDE_DAYS)
        )
        return float(path)

    assert shaded("revenue") == 0  # from the top
    assert shaded("complaints") > 0


def test_two_days_and_hostile_labels_can_be_drawn() -> None:
    two = course(by="day_since_exposure", days=2)
    svg = days_plot(plot_of(replace(two, days=("</text><script>", "'+alert(1)+'"))), NARROW_DAYS)
    assert "<script>" not in svg
    assert {"</text><script>", "'+alert(1)+'"} <= set(texts(svg))


def test_a_single_day_can_be_drawn() -> None:
    one = course(by="day_since_exposure", days=1)
    assert "1" in texts(days_plot(plot_of(one), WIDE_DAYS))


def test_the_picture_fetches_nothing_and_is_the_same_every_time() -> None:
    svg = days_plot(PLOT, WIDE_DAYS)
    assert outside_addresses(svg) == []
    assert svg == days_plot(PLOT, WIDE_DAYS)
