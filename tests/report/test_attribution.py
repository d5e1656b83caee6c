"""Which outcomes counted, on the page and in the terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from abflow.analysis.attribution import FATES, Attribution, ExposureRows, RequestsAgain
from abflow.report.attribution import IN_WORDS, exposures_told, rows_lines
from tests.report.pages import Page, section
from tests.report.stories import lines_of, page_of, promote, readout_of, spec_of

BOUGHT = Attribution(
    metrics=("revenue", "refunds"),
    event="purchase",
    window_days=7,
    attributed=12_000,
    crossed=30,
    before_exposure=400,
    after_window=51,
    immature=62,
    never_exposed=73,
    not_enrolled=84,
    repeated=95,
    after_cut_off=0,
)
READOUT = replace(readout_of(spec_of()), attribution=(BOUGHT,))


def test_every_fate_has_its_words() -> None:
    assert {*IN_WORDS, "attributed"} == set(FATES)


def test_the_page_says_what_counted_and_why_the_rest_did_not() -> None:
    text = Page(section(page_of(promote(), readout=READOUT), "outcomes")).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "purchase revenue, refunds, 7-day window 12 795 12 000" in text
    for told in (
        "30 of units seen in two variants",
        "400 before the unit's first exposure",
        "51 after the unit's window",
        "62 of units whose window is not over",
        "73 of units that were never exposed",
        "84 of units first exposed after enrolment",
        "95 repeated",
    ):
        assert told in text
    assert "after the cut-off" not in text  # there was none


def test_units_kept_in_their_first_variant_count() -> None:
    (line,) = rows_lines(replace(READOUT, contamination="keep_first"))
    assert line.counted == "12 030"
    assert not any("two variants" in reason for reason in line.left_out)


def test_the_terminal_says_it_in_a_line() -> None:
    nothing: Any = dict.fromkeys(IN_WORDS, 0)
    plain = replace(BOUGHT, window_days=None, metrics=("bought",), **nothing)
    lines = lines_of(promote(), readout=replace(READOUT, attribution=(BOUGHT, plain)))
    assert "rows of purchase (bought, until the cut-off): 12 000 in the log, 12 000 counted" in lines
    assert any(line.startswith("rows of purchase (revenue, refunds, 7-day window): 12 795 in") for line in lines)


def test_a_readout_that_was_kept_before_rows_were_told_has_no_such_part() -> None:
    assert 'id="outcomes"' not in page_of(promote(), readout=readout_of(spec_of()))


def told(again: RequestsAgain | None, *, others: int = 0) -> str:
    found = ExposureRows(counted=20_000, repeated=12, other_experiments=others, again=again)
    return " ".join(exposures_told(replace(READOUT, exposures=found))).replace("\N{NO-BREAK SPACE}", " ")


def test_exposures_are_told_in_sentences() -> None:
    nothing = RequestsAgain(compared=19_000, share=1.0, other_days=0, other_files=0)
    assert told(nothing) == (
        "20 000 exposures, and 12 rows that repeat a request_id of their day. "
        "Request ids that came again on another day: never (19 000 ids compared)."
    )
    some = RequestsAgain(compared=5_000, share=0.25, other_days=31, other_files=4)
    assert told(some, others=7).endswith(
        "Request ids that came again on another day: 31 times, and every day counts them "
        "(5 000 ids compared, 25.00 % of all). 4 of the rows also stand in another day's file; "
        "metrics count them once. 7 rows are of other experiments."
    )
    assert told(None) == "20 000 exposures. The log has no request_id, so every row is one."


def test_page_and_terminal_say_what_became_of_exposures() -> None:
    found = ExposureRows(counted=20_000, repeated=12, other_experiments=0, again=None)
    readout = replace(READOUT, exposures=found)
    assert "The log has no request_id" in Page(section(page_of(promote(), readout=readout), "split")).text
    assert any(line.startswith("exposures: 20 000 exposures.") for line in lines_of(promote(), readout=readout))
    assert "exposures." not in Page(section(page_of(promote(), readout=READOUT), "split")).text
