from __future__ import annotations

from datetime import date

from abflow.analysis.wording import named, spans
from tests.analysis.experiments import BOUGHT, spec_of


def test_days_in_a_row_are_told_by_their_ends() -> None:
    days = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 5)]
    assert spans(reversed(days)) == "2026-09-30 to 2026-10-02, 2026-10-05"
    assert spans(days[-1:]) == "2026-10-05"
    assert spans([]) == ""


def test_a_metric_that_reads_only_some_rows_says_which() -> None:
    metrics = spec_of({"bought": BOUGHT | {"where": {"surface": "search"}}}).metrics
    assert named("bought", metrics["bought"]) == "bought (where surface = search)"
    assert named("bought", spec_of({"bought": BOUGHT}).metrics["bought"]) == "bought"
