"""What a page says of a look that nobody planned."""

from __future__ import annotations

from datetime import UTC, date, datetime

from abflow.analysis.peeking import Peek
from tests.report.pages import section
from tests.report.stories import lines_of, page_of, promote, readout_of, spec_of


def peek(number: int, *, by: str = "ann", reason: str = "the board meets") -> Peek:
    at = datetime(2026, 10, 20, 12, tzinfo=UTC)
    return Peek(day=date(2026, 10, 17 + number), number=number, by=by, reason=reason, at=at)


def test_before_the_horizon_a_page_says_who_has_looked_and_how_the_test_will_be_read() -> None:
    page = page_of(None, peeks=(peek(3), peek(5, by="bob", reason="so do I")))
    assert "Looked at on day 3, before the horizon,</b> by ann: the board meets" in page
    assert "Looked at on day 5, before the horizon,</b> by bob: so do I" in page
    assert "Somebody has looked before, so it will be read by confidence sequences." in page
    assert "nobody is shown the primary" not in page
    unseen = page_of(None)
    assert "nobody is shown the primary" in unseen
    assert "Looked at" not in unseen


def test_at_the_horizon_it_says_what_read_the_test_and_the_plan_is_still_the_plan() -> None:
    spec = spec_of()
    page = page_of(promote(), spec=spec, readout=readout_of(spec), peeks=(peek(3),))
    assert "Somebody looked on day 3, so confidence sequences read it at its horizon." in page
    assert "The test was read once, at its horizon." not in page
    assert "fixed_horizon, read by always_valid after a look on day 3" in section(page, "provenance")
    assert spec.sha256 in section(page, "provenance")
    assert "Another specification" not in page
    assert "however often anybody looks" in section(page, "words")


def test_a_terminal_is_told_the_same() -> None:
    spec = spec_of()
    lines = lines_of(promote(), spec=spec, readout=readout_of(spec), peeks=(peek(3),))
    assert "looked at on day 3, before the horizon, by ann: the board meets" in lines


def test_what_somebody_writes_as_a_reason_is_only_text() -> None:
    hostile = peek(3, by="<b>ann</b>", reason="\x1b[2J<script>alert(1)</script>")
    assert "<script>alert" not in page_of(None, peeks=(hostile,))
    assert not any("\x1b" in line for line in lines_of(None, peeks=(hostile,)))
