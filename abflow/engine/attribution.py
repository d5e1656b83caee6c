"""What became of every row of the outcome log that a metric reads: each is counted once, under one heading."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from abflow.analysis.attribution import Attribution
from abflow.engine.instants import midnight
from abflow.engine.measures import measures_of
from abflow.engine.statements import filled, rows
from abflow.engine.unit_day import Partition
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import events_of

if TYPE_CHECKING:
    import duckdb

OF_WINDOW = ("attributed", "crossed", "after_window", "immature")
WHATEVER_WINDOW = ("before_exposure", "never_exposed", "not_enrolled", "after_cut_off")
_Read = tuple[str, int | None]  # an event, within which window


def attribution(
    db: duckdb.DuckDBPyConnection, spec: ExperimentSpec, partitions: Sequence[Partition], *, end: date
) -> tuple[Attribution, ...]:
    """The rows of every event that some metric reads, by what became of them.

    A row is repeated when an earlier one has its id; of the others, one after the cut-off is that and nothing else;
    then its unit is asked for, then its time.

    Args:
        db: A connection with the units of a phase, and the view `rows_once` of its outcomes.
        spec: The experiment.
        partitions: The days of the phase.
        end: The cut-off, a day that does not count any more.
    """
    read = _read(spec)
    windows = sorted({window for _, window in read}, key=lambda window: window or 0)
    listed = "".join(_of_window(n, window) for n, window in enumerate(windows))
    counted = {row["measure"]: row for row in rows(db, filled("attribution", windows=listed), cut_off=midnight(end))}
    found = []
    for event, window in sorted(read, key=lambda each: (each[0], each[1] or 0)):
        # Every column of an event is read of the same rows.
        label = next(measure.label for measure in measures_of(spec) if measure.event_type == event)
        if row := counted.get(label):
            in_log = sum(partition.made.outcome_log.read.get(label, 0) for partition in partitions)
            of_window = {name: row[f"{name}{windows.index(window)}"] for name in OF_WINDOW}
            whole = {name: row[name] for name in WHATEVER_WINDOW}
            found.append(
                Attribution(
                    metrics=tuple(read[event, window]),
                    event=event,
                    window_days=window,
                    repeated=in_log - row["kept"],
                    **of_window,
                    **whole,
                )
            )
    return tuple(found)


def _read(spec: ExperimentSpec) -> dict[_Read, list[str]]:
    """The events of the outcome log that are read, within which window, with the metrics that read them."""
    found: dict[_Read, list[str]] = {}
    for name, metric in spec.metrics.items():
        for event in dict.fromkeys(events_of(metric)):
            found.setdefault((event, metric.window_days), []).append(name)
    return found


def _of_window(number: int, window_days: int | None) -> str:
    """SQL text: the rows of exposed units by one window."""
    exposed = "r.happened < $cut_off and u.enrolled and r.happened >= u.entered"
    closes = "$cut_off" if window_days is None else f"u.entered + interval {window_days} day"
    kinds = {
        "after_window": f"r.happened >= {closes}",
        "immature": f"r.happened < {closes} and {closes} > $cut_off",
        "crossed": f"r.happened < {closes} and {closes} <= $cut_off and u.crossed",
        "attributed": f"r.happened < {closes} and {closes} <= $cut_off and not u.crossed",
    }
    return "".join(f", count(*) filter (where {exposed} and {kind}) as {name}{number}" for name, kind in kinds.items())
