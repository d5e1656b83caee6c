"""What came later is told apart from the plan wherever it is shown."""

from __future__ import annotations

from dataclasses import replace

from abflow.analysis.readout import Comparison, Deciding
from abflow.report.bars import bars_of
from abflow.report.over_time import trends_of
from abflow.report.rows import metric_rows
from abflow.report.segments import segment_tables
from abflow.spec.metrics import Role
from tests.report.pages import Page, section
from tests.report.rich_stories import by_country, by_novelty, course
from tests.report.stories import (
    arm,
    complaints,
    estimate,
    lines_of,
    page_of,
    promote,
    readout_of,
    retained,
    revenue,
    spec_of,
)

PLAN = spec_of().model_dump(mode="json", by_alias=True)["metrics"]
SEARCHES = {"role": "exploratory", "kind": "count", "event": "search", "window_days": 3}
SPEC = spec_of(metrics=PLAN | {"searches": SEARCHES})


def searches(name: str = "treatment") -> Comparison:
    return Comparison(
        metric="searches",
        role=Role.EXPLORATORY,
        arm=name,
        contamination="exclude",
        control=arm("control", 0.84),
        treatment=arm(name, 0.91),
        effect=estimate(0.07, 0.03, p_value=0.0121),
        relative=estimate(0.0833, 0.0357),
    )


def test_the_p_value_says_that_nothing_corrects_it() -> None:
    (row,) = metric_rows(SPEC, [searches()])
    assert (row.role, row.word) == ("exploratory", "exploratory")
    assert (row.shown.strength, row.shown.evidence) == ("p", "0.0121")
    assert row.shown.measure == "exploratory, corrected for nothing"


def test_where_the_test_may_end_early_the_interval_stands_alone() -> None:
    """The p-value of a single look would not hold at several."""
    strict = Deciding(value=0.07, lower=0.01, upper=0.13, confidence=0.95, method="confidence sequence")
    (row,) = metric_rows(SPEC, [replace(searches(), deciding=strict)])
    assert row.shown.interval == "+0.01 to +0.13"
    assert row.shown.evidence == "–"


def test_the_picture_gives_it_no_word_and_no_say_in_the_axis() -> None:
    wide = replace(searches(), relative=estimate(0.9, 4.0))
    plain, bars = bars_of(SPEC, [retained(), revenue()]), bars_of(SPEC, [retained(), revenue(), wide])
    assert (bars.low, bars.high) == (plain.low, plain.high)
    assert bars.cut == ("searches",)
    assert bars.rows[-1].word == ""
    assert "searches (exploratory, more is better →): +90.00 %" in bars.described


def test_alone_it_has_an_axis_of_its_own() -> None:
    bars = bars_of(SPEC, [replace(complaints(), relative=searches().effect), searches()])
    assert bars.low < 0 < bars.high


def test_its_segments_stand_apart() -> None:
    own = replace(by_country("searches"), planned=False, adjusted_p=None)
    tables = segment_tables(SPEC, [by_country(), own, by_novelty("refunds")])
    assert tables is not None
    assert [table.metric for table in tables.secondaries] == ["refunds"]
    (table,) = tables.explored
    assert [group.standing for group in table.groups] == ["exploratory, corrected for nothing"]


def test_its_days_say_so() -> None:
    found = trends_of(SPEC, [course(), course("revenue"), course("searches")])
    assert found is not None
    assert [(line.metric, line.explored) for line in found.others] == [("revenue", False), ("searches", True)]


def test_the_page_and_the_terminal_say_what_it_is() -> None:
    readout = replace(
        readout_of(SPEC, retained(), revenue(), complaints(), searches()),
        segments=(by_country(), replace(by_country("searches"), planned=False, adjusted_p=None)),
        over_time=(course(), course("searches")),
    )
    page = page_of(promote(), spec=SPEC, readout=readout)
    assert "Exploratory metrics: searches" in Page(section(page, "segments")).text
    assert "Secondary metrics" not in page
    assert "exploratory" in Page(section(page, "time")).text
    assert "a hint for another test" in Page(page).text
    (line,) = (line for line in lines_of(promote(), spec=SPEC, readout=readout) if "searches" in line)
    assert line.startswith("exploratory searches, treatment: exploratory, 0.84 -> 0.91, +0.07")
    assert line.endswith("p 0.0121 (exploratory, corrected for nothing), more is better")
