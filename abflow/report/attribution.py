"""Which rows of the logs counted, and why the others did not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from abflow.analysis import wording
from abflow.analysis.attribution import Attribution, ExposureRows, RequestsAgain
from abflow.analysis.readout import Readout

IN_WORDS = {
    "crossed": "of units seen in two variants",
    "before_exposure": "before the unit's first exposure",
    "after_window": "after the unit's window",
    "immature": "of units whose window is not over",
    "never_exposed": "of units that were never exposed",
    "not_enrolled": "of units first exposed after enrolment",
    "repeated": "repeated",
    "after_cut_off": "after the cut-off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsLine:
    """The rows that some metrics read.

    Attributes:
        metrics: Who reads them, and within which window.
        left_out: One reason each, with the rows that it concerns.
    """

    event: str
    metrics: str
    in_log: str
    counted: str
    left_out: tuple[str, ...]


def rows_lines(readout: Readout) -> tuple[RowsLine, ...]:
    """One line for each event and window."""
    return tuple(_line(found, keeps_crossed=readout.contamination == "keep_first") for found in readout.attribution)


def _line(found: Attribution, *, keeps_crossed: bool) -> RowsLine:
    counted = {"attributed", *(["crossed"] if keeps_crossed else [])}
    window = "until the cut-off" if found.window_days is None else f"{found.window_days}-day window"
    return RowsLine(
        event=found.event,
        metrics=f"{', '.join(found.metrics)}, {window}",
        in_log=wording.count(found.rows),
        counted=wording.count(sum(found.by_fate[fate] for fate in counted)),
        left_out=tuple(_reasons(found, counted)),
    )


def _reasons(found: Attribution, counted: set[str]) -> Iterable[str]:
    for fate, rows in found.by_fate.items():
        if rows and fate not in counted:
            yield f"{wording.count(rows)} {IN_WORDS[fate]}"


def exposures_told(readout: Readout) -> tuple[str, ...]:
    """What became of the exposure log's rows, in sentences; none of a readout that was kept before they were told."""
    return tuple(_exposures(readout.exposures)) if readout.exposures else ()


def _exposures(found: ExposureRows) -> Iterable[str]:
    count = wording.count
    if found.again is None:
        yield f"{count(found.counted)} exposures. The log has no request_id, so every row is one."
    else:
        repeated = f"{count(found.repeated)} rows that repeat a request_id of their day"
        yield f"{count(found.counted)} exposures, and {repeated}."
        yield from _again(found.again)
    if found.other_experiments:
        yield f"{count(found.other_experiments)} rows are of other experiments."


def _again(found: RequestsAgain) -> Iterable[str]:
    of_all = "" if found.share == 1 else f", {wording.percent(found.share)} of all"
    again = f"{wording.count(found.other_days)} times, and every day counts them" if found.other_days else "never"
    yield f"Request ids that came again on another day: {again} ({wording.count(found.compared)} ids compared{of_all})."
    if found.other_files:
        filed = wording.count(found.other_files)
        yield f"{filed} of the rows also stand in another day's file; metrics count them once."
