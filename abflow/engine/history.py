"""What units did before they were exposed: the history that CUPED takes off a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from abflow.engine.instants import midnight
from abflow.engine.measures import Total, made_of, measures_of
from abflow.engine.observed import Observed
from abflow.engine.outcome_day import OutcomeDay
from abflow.engine.rows_once import show_rows_once
from abflow.engine.statements import filled, make
from abflow.engine.unit_day import Filed, Partition
from abflow.engine.unit_state import scales_of, sum_of
from abflow.logs.database import Database
from abflow.spec.calendar import Period
from abflow.spec.experiment import ExperimentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDay:
    """A day before a phase, as far as the logs have it.

    Attributes:
        inputs: Hash of what its rows were made from.
        events: One row per event and measure.
        exposure_rows: Single exposures in the shape of events; None when the experiment did not run yet, or no metric
            reads them.
        ran: Whether the experiment ran on that day, in its A/A phase.
        has_ids: Whether any event has an event_id.
        largest: The largest size of a measured value, by measure.
    """

    day: date
    inputs: str
    events: Path
    exposure_rows: Path | None
    ran: bool
    has_ids: bool
    largest: dict[str, float]


def outcomes_of(made: OutcomeDay, folder: Path) -> PastDay:
    """A day on which the experiment did not run yet: its outcomes are all there is."""
    return PastDay(
        day=made.day,
        inputs=made.inputs,
        events=folder / made.files[0],
        exposure_rows=None,
        ran=False,
        has_ids=made.has_ids,
        largest=made.largest,
    )


def past_of(partition: Partition) -> PastDay:
    """A day of the phase before."""
    return PastDay(
        day=partition.day,
        inputs=partition.made.inputs,
        events=partition.events,
        exposure_rows=partition.exposure_rows,
        ran=True,
        has_ids=partition.has_ids,
        largest=partition.largest,
    )


@dataclass(frozen=True, slots=True, order=True)
class _Past:
    """One number per unit: what its rows before its first exposure add up to.

    Attributes:
        ran: Whether only days count on which the experiment ran.
    """

    total: Total
    ran: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A metric that has a history, in the columns `numbers` of the table `histories`.

    Attributes:
        past: The history of its number, or of a ratio's two.
        any: Whether only more than nothing counts.
        days: Days before the phase that it is read from.
    """

    own: Observed
    past: tuple[_Past, ...]
    any: bool
    days: int

    @property
    def numbers(self) -> list[str]:
        """Columns of `histories`: what units did, then what they did before."""
        return [f"v{self.own.number}_{index}" for index in range(2 * len(self.past))]


def open_histories(
    db: Database,
    spec: ExperimentSpec,
    metrics: Sequence[Observed],
    *,
    period: Period,
    before: Sequence[PastDay],
    partitions: Sequence[Partition],
    aa: Sequence[Partition] = (),
) -> list[History]:
    """Make the table `histories`: what enrolled units did, and the same in the days before their own first exposure.

    Where the logs have none of a metric's days, it has no history.

    Args:
        db: A connection with the units of a phase and what they did.
        spec: The experiment.
        metrics: What was observed.
        period: The phase.
        before: Days before the phase that the logs have.
        partitions: The days of the phase: units that enter later have a history in them, and late rows lie there.
        aa: The days of the A/A phase before, whose events count no second time.

    Returns:
        The metrics that have a history; none where the plan has no CUPED.
    """
    cuped, histories = spec.analysis.cuped, _histories(spec, metrics, before)
    if cuped is None or not histories:
        return []
    pasts = sorted({past for each in histories for past in each.past})
    # Nobody's history lasts beyond the day on which the last unit enters.
    until, known = midnight(period.enroll_end), {day.day for day in before}
    filed: list[Filed] = [*before, *partitions]
    asked = {past.total.measure for past in pasts}
    not_read = [day for day in aa if day.day not in known]
    show_rows_once(db, filed, asked, every=measures_of(spec), aa=not_read, until=until)
    _add_up(db, pasts, filed, ran=[day.day for day in before if day.ran], period=period, days=cuped.days)
    make(db, "histories", filled("histories", numbers="".join(_numbers(each, pasts) for each in histories)))
    return histories


def _histories(spec: ExperimentSpec, metrics: Sequence[Observed], before: Sequence[PastDay]) -> list[History]:
    """Metrics with a history; both numbers of a ratio over exposures have one only where the experiment ran."""
    found = []
    for own in metrics:
        made = made_of(spec.metrics[own.metric], measures_of(spec))
        if made is None:
            continue
        totals = [made.x, *([made.y] if made.y else [])]
        ran = any(total.measure.of_exposures for total in totals)
        days = sum(day.ran or not ran for day in before)
        if days:
            # The days before are the window, whatever the metric's own.
            past = tuple(_Past(replace(total, window_days=None), ran) for total in totals)
            found.append(History(own=own, past=past, any=made.any, days=days))
    return found


def _add_up(
    db: Database,
    pasts: Sequence[_Past],
    filed: Sequence[Filed],
    *,
    ran: Sequence[date],
    period: Period,
    days: int,
) -> None:
    """Make the table `past`: one column per number, of units that did anything."""
    times = {"earliest": midnight(period.start - timedelta(days=days))}
    if ran:
        times |= {"ran_from": midnight(min(ran)), "ran_until": midnight(max(ran) + timedelta(days=1))}
    scales = scales_of([past.total for past in pasts], filed)
    totals = "".join(
        f", {_sum(past, scale)} as p{n}" for n, (past, scale) in enumerate(zip(pasts, scales, strict=True))
    )
    make(db, "past", filled("past", totals=totals, days=str(days)), **times)


def _sum(past: _Past, scale: float) -> str:
    ran = "e.happened >= $ran_from and e.happened < $ran_until"
    return sum_of(past.total, scale, only=ran if past.ran else "")


def _numbers(each: History, pasts: Sequence[_Past]) -> str:
    """What a unit did, and what it did before, under the same cap."""
    did = [each.own.x, *([each.own.y] if each.own.is_ratio else [])]
    before = [f"coalesce(p.p{pasts.index(past)}, 0)" for past in each.past]
    if each.any:
        before = [f"cast({number} > 0 as double)" for number in before]
    if each.own.cap is not None:
        before = [f"least({number}, {each.own.cap!r})" for number in before]
    columns = zip([*(f"o.{name}" for name in did), *before], each.numbers, strict=True)
    return f", o.{each.own.mature}" + "".join(f", {number} as {name}" for number, name in columns)
