"""What became of every row of the outcome log that a metric reads: each is counted once, under one heading."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from abflow.analysis.attribution import Attribution
from abflow.engine.instants import midnight
from abflow.engine.measures import Measure, measures_of, measures_read
from abflow.engine.statements import filled, rows
from abflow.engine.unit_day import Partition
from abflow.logs.database import Database
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.row_filter import in_words

OF_WINDOW = ("attributed", "crossed", "after_window", "immature")
WHATEVER_WINDOW = ("before_exposure", "never_exposed", "not_enrolled", "after_cut_off")
_Read = tuple[Measure, int | None]  # rows of an event, within which window


def attribution(
    db: Database, spec: ExperimentSpec, partitions: Sequence[Partition], *, end: date
) -> tuple[Attribution, ...]:
    """The rows of every event that some metric reads, by what became of them; none where none passes a filter.

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
    seen = {event for partition in partitions for event in partition.made.events}
    found = []
    for (own, window), metrics in sorted(read.items(), key=lambda each: (each[0][0], each[0][1] or 0)):
        if own.event_type in seen:
            row = counted.get(own.label, {})
            in_log = sum(partition.made.outcome_log.read.get(own.label, 0) for partition in partitions)
            of_window = {name: row.get(f"{name}{windows.index(window)}", 0) for name in OF_WINDOW}
            whole = {name: row.get(name, 0) for name in WHATEVER_WINDOW}
            found.append(
                Attribution(
                    metrics=tuple(metrics),
                    event=f"{own.event_type} {in_words(own.where)}".rstrip(),
                    window_days=window,
                    repeated=in_log - row.get("kept", 0),
                    **of_window,
                    **whole,
                )
            )
    return tuple(found)


def _read(spec: ExperimentSpec) -> dict[_Read, list[str]]:
    """The rows of the outcome log that are read, within which window, with the metrics that read them."""
    measures = measures_of(spec)
    found: dict[_Read, list[str]] = {}
    for name, metric in spec.metrics.items():
        for own in measures_read(metric):
            if not own.of_exposures:
                # Every column of an event is read of the same rows.
                same = next(m for m in measures if (m.event_type, m.rows) == (own.event_type, own.rows))
                metrics = found.setdefault((same, metric.window_days), [])
                metrics += [name] if name not in metrics else []
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
