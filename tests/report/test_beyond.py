"""Segments and days on the page, and that no page shows a number which its readout does not hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from abflow.analysis.readout import Readout
from abflow.spec.experiment import ExperimentSpec
from abflow.store.files import from_json, to_json
from tests.report.pages import Page, section
from tests.report.rich_stories import (
    at_a_look,
    bayesian,
    believed,
    by_country,
    course,
    everything,
    look,
    none_yet,
    sequential,
    shown_at_a_look,
    three_arms,
    untested_course,
    with_cuped,
)
from tests.report.stories import (
    SKEWED,
    complaints,
    invalid,
    lines_of,
    page_of,
    promote,
    readout_of,
    refunds,
    revenue,
    spec_of,
)
from tests.report.written import written

SPEC = with_cuped()
FULL = everything(SPEC)
PAGE = page_of(promote(), spec=SPEC, readout=FULL)
REST = (revenue(), complaints(), refunds())
RESULTS = ("primary", "plot", "metrics", "beside", "segments", "time")
READOUTS = {
    "everything": (SPEC, FULL),
    "two arms": (three_arms(segments=["country", "device"]), everything(three_arms(segments=["country", "device"]))),
    "a look": (sequential(), look(sequential(), at_a_look(), *REST)),
    "a look that ended it": (sequential(), look(sequential(), shown_at_a_look(), *REST, day=14)),
    "a posterior": (bayesian(), readout_of(bayesian(), believed(), *REST)),
}


@pytest.mark.parametrize(("spec", "readout"), READOUTS.values(), ids=READOUTS)
def test_every_number_among_the_results_is_the_readouts(spec: ExperimentSpec, readout: Readout) -> None:
    page = page_of(promote(), spec=spec, readout=readout)
    known = written(readout) | written(spec.analysis.alpha) | written(1 - spec.analysis.alpha)
    for name in RESULTS[: 6 if readout.segments else 4]:
        assert [number for number in Page(section(page, name)).numbers if number not in known] == [], name


def test_the_search_for_strange_numbers_finds_them() -> None:
    strange = PAGE.replace("<dd>40.12", "<dd>40.13")
    assert set(Page(section(strange, "primary")).numbers) - written(FULL) == {"40.13"}


@pytest.mark.parametrize(("spec", "readout"), READOUTS.values(), ids=READOUTS)
def test_rich_pages_are_well_formed_and_labelled(spec: ExperimentSpec, readout: Readout) -> None:
    read = Page(page_of(none_yet(spec), spec=spec, readout=readout))
    assert (read.unbalanced, read.open) == ([], [])
    assert len(read.ids) == len(set(read.ids))
    assert {value for _, name, value in read.attributes if name == "aria-labelledby"} <= set(read.ids)
    assert [tag for tag, name, _ in read.attributes if tag == "th" and name == "scope"] == ["th"] * read.tags.count(
        "th"
    )


def test_segments_and_days_follow_the_numbers_and_come_before_the_way() -> None:
    text = Page(PAGE).text
    headings = ["under the other policy", "The effect by segment", "The effect over time", "The way here"]
    places = [text.index(heading) for heading in headings]
    assert places == sorted(places)


def test_segments_say_that_they_never_decide_and_whether_they_were_planned() -> None:
    text = Page(section(PAGE, "segments")).text
    assert "Segments never decide." in text
    assert (
        "country ? effects differ planned · any difference between levels: p 0.0121, adjusted p 0.0242, I² 67 % · "
        "left out: LI, (missing)"
    ) in text
    assert "exploratory, corrected for nothing" in text
    assert "CH 5 177 5 140 +3.12 pp +0.45 pp to +5.79 pp 0.0041" in text


def test_only_the_primarys_segments_are_open_and_the_others_say_their_answer_folded() -> None:
    html = section(PAGE, "segments")
    shown = html[: html.index("<details>")]
    assert "in treatment by segment" in shown
    assert shown.count("<table") == 1
    summaries = Page(" ".join(part.split("</summary>")[0] for part in html.split("<summary>")[1:])).text
    assert "revenue , guardrail – country: effects differ; device: not tested; is_new_user" in summaries
    assert "Secondary metrics: refunds" in summaries


def test_days_show_a_picture_for_the_primary_and_a_line_for_every_other_metric() -> None:
    html = section(PAGE, "time")
    shown, folded = html.split("<details>")
    assert shown.count('role="img"') == 3  # by day of entry, by day since exposure, by calendar day
    assert 'aria-label="Effect on retained by day of entry. 2026-10-18: ' in shown
    text = Page(shown).text
    assert "retained, by day of entry ? wears off" in text
    assert "Reaches beyond the axis: 2026-10-31." in text
    assert "Without an effect: 2026-10-22." in text
    for told in ("revenue", "steady", "complaints", "grows", "refunds", "not tested"):
        assert told in Page(folded).text


def test_without_segments_and_days_the_page_has_no_such_parts() -> None:
    text = Page(page_of(promote(), readout=readout_of(spec_of()))).text
    for absent in ("The effect by segment", "The effect over time", "wears off, grows, steady", "simultaneous"):
        assert absent not in text


def test_a_primary_without_segments_or_days_leaves_the_others() -> None:
    spec = with_cuped()
    few = replace(readout_of(spec), segments=(by_country("refunds"),), over_time=(course("revenue"),))
    page = page_of(promote(), spec=spec, readout=few)
    assert "Secondary metrics: refunds" in Page(section(page, "segments")).text
    assert 'role="img"' not in section(page, "time")
    untested = replace(few, over_time=(untested_course("retained"),))
    assert "1 of 14 days have an effect" in Page(section(page_of(promote(), spec=spec, readout=untested), "time")).text


def test_segments_and_days_of_an_invalid_test_are_folded_away_too() -> None:
    page = page_of(invalid(), spec=SPEC, readout=replace(FULL, checks=(SKEWED,)), registry=())
    unread = page[page.index('id="unread"') : page.index('id="way"')]
    assert unread.index("<details>") < unread.index('id="segments"') < unread.rindex("</details>")
    lines = lines_of(invalid(), spec=SPEC, readout=replace(FULL, checks=(SKEWED,)))
    assert not any(line.startswith(("segment", "over time")) for line in lines)


def test_the_terminal_shows_the_primarys_readings_segments_and_days() -> None:
    lines = lines_of(promote(), spec=SPEC, readout=FULL)
    for wanted in (
        "  without cuped: +1.38 pp (95 %: +0.59 pp to +2.17 pp)",
        "  permutation p: 0.0312",
        "  worth detecting (mde): 0.80 pp",
        "segment device, treatment (planned): not tested. fewer than two levels have enough units",
        "over time by day of entry, treatment: wears off. Trend: p 0.0113; any difference between days: p 0.0871",
    ):
        assert wanted in lines
    assert any(line.startswith("segment country, treatment (planned): effects differ.") for line in lines)


def test_hostile_levels_and_days_stay_text() -> None:
    hostile = "<script>alert(1)</script>"
    levels = tuple(replace(each, level=hostile) for each in by_country().levels)
    found = replace(
        FULL,
        segments=(replace(by_country(), segment=hostile, levels=levels, left_out=(hostile,)),),
        over_time=(replace(course(days=5), days=tuple(f"{hostile}{n}" for n in range(5))),),
    )
    page = page_of(promote(), spec=SPEC, readout=found)
    assert "<script" not in page
    assert Page(section(page, "segments")).text.count(hostile) == 5


NEW_IN_A_READOUT = ("day", "final", "segments", "over_time")
NEW_IN_A_COMPARISON = (
    "corrected_by",
    "deciding",
    "spent",
    "posterior",
    "unadjusted",
    "variance_kept",
    "stratified",
    "fieller",
    "permutation_p",
    "notes",
)


def test_a_readout_that_was_kept_before_these_fields_existed_still_renders() -> None:
    kept = json.loads(to_json(readout_of(spec_of())))
    for name in NEW_IN_A_READOUT:
        del kept[name]
    for comparison in (*kept["comparisons"], *kept["beside"]):
        for name in NEW_IN_A_COMPARISON:
            del comparison[name]
    old = from_json(json.dumps(kept), Readout, source=Path("readout.json"))
    text = Page(page_of(promote(), readout=old)).text
    assert "+1.41 pp" in text
    assert "Adjusted p < 0.0001 Holm" in text
    assert "Look on day" not in text
    assert "The test was read once, at its horizon." in text


def test_what_the_store_gives_back_makes_the_same_page() -> None:
    again = from_json(to_json(FULL), Readout, source=Path("readout.json"))
    assert page_of(promote(), spec=SPEC, readout=again) == PAGE
