from __future__ import annotations

from datetime import date

from abflow.analysis.wording import spans


def test_days_in_a_row_are_told_by_their_ends() -> None:
    days = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 5)]
    assert spans(reversed(days)) == "2026-09-30 to 2026-10-02, 2026-10-05"
    assert spans(days[-1:]) == "2026-10-05"
    assert spans([]) == ""
