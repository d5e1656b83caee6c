"""What restated days have changed stands where the verdict stands."""

from __future__ import annotations

from datetime import date

from abflow.report.evidence import Restated
from tests.report.pages import Page, section
from tests.report.stories import keep, lines_of, page_of, readout_of, spec_of

ALARM = "The verdict was promote <b>treatment</b> (rule E1) until 2026-10-12 was restated; now it is keep (rule E2)."
RESTATED = Restated(days=(date(2026, 10, 12), date(2026, 10, 13), date(2026, 10, 20)), alarms=(ALARM,))
READOUT = readout_of(spec_of())


def test_the_banner_says_what_restated_days_have_changed() -> None:
    page = page_of(keep(), readout=READOUT, restated=RESTATED)
    read = Page(page)
    assert (read.unbalanced, read.open) == ([], [])
    assert f"Changed by restated days. {ALARM}" in Page(section(page, "verdict")).text
    assert "Restated after they had been read 2026-10-12 to 2026-10-13, 2026-10-20" in read.text


def test_days_that_change_no_word_are_only_named() -> None:
    read = Page(page_of(keep(), readout=READOUT, restated=Restated(days=RESTATED.days)))
    assert "Changed by restated days" not in read.text
    assert "Restated after they had been read" in read.text


def test_a_page_without_restated_days_says_nothing_of_them() -> None:
    assert "estated" not in Page(page_of(keep(), readout=READOUT)).text


def test_a_terminal_is_told_too() -> None:
    lines = lines_of(keep(), readout=READOUT, restated=RESTATED)
    assert lines[2] == f"changed by restated days: {ALARM}"
