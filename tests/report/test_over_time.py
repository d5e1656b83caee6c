from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abflow.analysis.readout import EffectsOverTime
from abflow.report.over_time import DaysPlot, TrendLine, Trends, trends_of
from abflow.report.tones import Tone
from abflow.stats.result import Estimate
from tests.report.rich_stories import NO_SPREAD, TOO_FEW_DAYS, calendar, course, untested_course
from tests.report.stories import estimate, spec_of

SPEC = spec_of()


def trends(*courses: EffectsOverTime) -> Trends:
    found = trends_of(SPEC, courses)
    assert found is not None
    return found


def line_of(found: EffectsOverTime) -> TrendLine:
    read = trends(found)
    return (*read.primary, *read.others)[0]


def plot_of(found: EffectsOverTime) -> DaysPlot:
    plot = line_of(found).plot
    assert plot is not None
    return plot


def test_without_days_there_is_nothing_to_show() -> None:
    assert trends_of(SPEC, ()) is None


def test_days_since_exposure_say_that_they_are_not_capped() -> None:
    told = "Values of single days are not capped."
    assert told in line_of(course("revenue", by="day_since_exposure")).units  # capped at a percentile
    assert told not in line_of(course("revenue")).units
    assert told not in line_of(course("retained", by="day_since_exposure")).units


def test_the_primary_comes_first_and_the_others_in_the_order_of_the_plan() -> None:
    read = trends(course("complaints"), course("revenue"), course(), course(by="day_since_exposure"))
    assert [line.by for line in read.primary] == ["by day of entry", "by day since exposure"]
    assert [line.metric for line in read.others] == ["revenue", "complaints"]


def test_calendar_days_of_the_primary_are_shown_and_say_why_they_are_not_tested() -> None:
    days = calendar()
    read = trends(course(), days, replace(days, metric="revenue"))
    assert [line.by for line in read.primary] == ["by day of entry", "by calendar day"]
    assert read.others == ()
    line = read.primary[1]
    assert line.units.startswith("Everybody who had entered by the end of the day; each day has its own 95 %")
    assert line.test == "Units are in many of these days, so the days are not tested against each other"
    assert line.plot is not None
    assert line.plot.across == "calendar day"


def test_the_word_stands_with_its_p_values() -> None:
    line = line_of(course())
    assert (line.word, line.tone) == ("wears off", Tone.OPEN)
    assert line.test == "Trend: p 0.0113; any difference between days: p 0.0871"
    assert line.units == "Other units on each day; each day has its own 95 % interval."
    assert line_of(replace(course(), word="steady")).tone is Tone.CALM
    assert line_of(replace(course(), trend_p=None)).test == "Any difference between days: p 0.0871"


def test_days_that_could_not_be_tested_say_why() -> None:
    line = line_of(untested_course())
    assert (line.word, line.plot) == ("not tested", None)
    assert line.test == TOO_FEW_DAYS.detail
    assert line_of(replace(untested_course(), days=(), effects=())).test == "The days could not be compared"


def test_a_share_is_drawn_in_percentage_points_and_a_number_as_it_is() -> None:
    for metric, scale, unit in (("retained", 100, "pp"), ("revenue", 1, "")):
        found = course(metric)
        plot = plot_of(found)
        assert isinstance(found.effects[0], Estimate)
        assert plot.days[0].value == pytest.approx(scale * found.effects[0].value)
        assert plot.unit == unit


def test_the_better_side_is_where_the_metric_says() -> None:
    assert plot_of(course("revenue")).better == 1
    assert plot_of(course("complaints")).better == -1


def test_a_day_without_an_effect_leaves_a_gap_and_is_named() -> None:
    found = course()
    plot = plot_of(found)
    assert found.effects[4] is NO_SPREAD
    assert plot.missing == (found.days[4],)
    assert 4 not in {day.at for day in plot.days}
    assert len(plot.labels) == len(found.days)


def test_a_day_that_knows_little_is_cut_and_named() -> None:
    found = course()
    plot = plot_of(found)
    assert plot.cut == (found.days[-1],)
    assert plot.high < 20  # percentage points; the last day's interval reaches from -19.9 to 22.1
    assert plot.low > -18


def test_the_description_says_every_day() -> None:
    told = plot_of(course(by="day_since_exposure", days=3)).described
    assert told == (
        "Effect on retained by day since exposure. 1: +3.00 pp (+1.40 pp to +4.60 pp); "
        "2: +2.04 pp (+0.34 pp to +3.74 pp); 3: +2.68 pp (+0.88 pp to +4.48 pp)."
    )


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)), min_size=1, max_size=40))
def test_zero_and_every_dot_are_on_the_axis_and_what_is_not_is_named(days: list[tuple[float, float]]) -> None:
    found = replace(
        course("revenue"),
        days=tuple(f"d{n}" for n in range(len(days))),
        effects=tuple(estimate(value, half) for value, half in days),
    )
    plot = plot_of(found)
    assert plot.low < 0 < plot.high
    assert all(plot.low < day.value < plot.high for day in plot.days)
    inside = {plot.labels[day.at] for day in plot.days if plot.low <= day.lower and day.upper <= plot.high}
    assert inside.isdisjoint(plot.cut)
    assert inside | set(plot.cut) == set(plot.labels)
