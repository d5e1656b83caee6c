"""Everything known of every unit at the end of a day: rolled on from the day before, and from that day's partitions.

The cost of a day is that of its own logs and of the units, not of the days before it. Three things reach back to
earlier days, and only for the units that they touch: an exposure that arrives late and moves a unit's entry, a row
whose time lies in a later day than its file, and an event_id that was there before, also in the A/A phase.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from abflow.engine.aa_events import show_aa_events
from abflow.engine.database import database
from abflow.engine.inputs import digest_of
from abflow.engine.instants import midnight
from abflow.engine.measures import Made, Total, measures_of, same_event, totals_of
from abflow.engine.statements import filled, make, one, read, show, statement, write
from abflow.engine.unit_day import Filed, Partition
from abflow.errors import DataError
from abflow.logs.database import Database
from abflow.logs.reading import identifier, literal
from abflow.logs.resources import WHOLE_MACHINE, Resources
from abflow.spec.calendar import Period, Phase
from abflow.spec.experiment import ExperimentSpec

FORMAT = 2  # of the state; raised when its columns change
# Sums are added as whole numbers of this many bits, so that neither order nor threads change their last digit.
# A hugeint has 126: that leaves room for 2^36 rows.
BITS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """What the state of one day holds.

    Attributes:
        day: The last day that is in it.
        inputs: Hash of what it was made from, which also names the file.
        events_seen: Event types that occur anywhere in the outcome log so far.
        context: Columns of the first exposure that the log has.
        has_propensity: Whether the log says how likely each unit's variant was.
        totals: What its columns hold, in their order; None in a manifest that was kept before it said so.
    """

    phase: Phase
    day: date
    inputs: str
    files: tuple[str, ...]
    units: int
    events_seen: tuple[str, ...]
    context: tuple[str, ...]
    has_propensity: bool
    totals: tuple[Total, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownState:
    """A state and the folder of its file."""

    made: UnitState
    folder: Path

    @property
    def file(self) -> Path:
        """One row per unit."""
        return self.folder / self.made.files[0]


def state_inputs(
    spec: ExperimentSpec, period: Period, partitions: list[Partition], aa: Sequence[Partition] = ()
) -> list[str]:
    """Hash of what the state of each day is made from, day by day; each one holds those before it."""
    known = [day.made.outcome_log.inputs for day in aa]
    totals = [f"{total}{total.measure.rows}" for total in totals_of(spec)]
    inputs = digest_of(format=FORMAT, phase=period.phase, start=period.start, totals=totals)
    chain = []
    for partition in partitions:
        inputs = digest_of(before=inputs, day=partition.made.inputs, aa=known if partition.has_ids else [])
        chain.append(inputs)
    return chain


def roll_state(
    spec: ExperimentSpec,
    period: Period,
    partitions: list[Partition],
    folder: Path,
    *,
    aa: Sequence[Partition] = (),
    known: KnownState | None = None,
    resources: Resources = WHOLE_MACHINE,
) -> UnitState:
    """Write the state at the end of the last of some days into `folder`.

    Args:
        spec: The experiment.
        period: The phase.
        partitions: One per day of the phase so far, in order.
        folder: Where to write.
        aa: The days of the A/A phase before a test, whose events count no second time.
        known: An earlier state; what it does not fit, because a day was restated since, is done again.
        resources: What DuckDB may take.

    Raises:
        DataError: There is no day yet.
    """
    if not partitions:
        raise DataError(f"phase {period.phase} has no day yet; aggregate its first day, {period.start}, first")
    chain = state_inputs(spec, period, partitions, aa)
    done = chain.index(known.made.inputs) + 1 if known and known.made.inputs in chain else 0
    file = f"units-{chain[-1][:16]}.parquet"
    totals = totals_of(spec)
    with database(spec, resources) as db:
        if done and known:
            read(db, "state_file", [known.file])
            state = filled("state_read", totals=_columns(totals))
        else:
            state = filled("state_empty", context=_context(partitions[0]), totals=_empty(totals))
        ids = _Ids(same_event=same_event(measures_of(spec)), aa=show_aa_events(db, aa))
        for number in range(done, len(partitions)):
            if number > done:  # the tables that it is made of are about to change
                make(db, "state", state)
                state = "select * from state"
            state = _roll_day(db, period, partitions[: number + 1], totals, ids, state)
        write(db, filled("state_written", totals=_columns(totals), state=state), folder / file)
        units = one(db, f"select count(*) from read_parquet({literal(str(folder / file))})")
    return UnitState(
        phase=period.phase,
        day=partitions[-1].day,
        inputs=chain[-1],
        files=(file,),
        units=units,
        events_seen=tuple(sorted({event for partition in partitions for event in partition.made.events})),
        context=tuple(sorted({name for p in partitions for name in p.made.exposure_log.context})),
        has_propensity=any(partition.made.exposure_log.has_propensity for partition in partitions),
        totals=totals,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ids:
    """What repeats are told by.

    Attributes:
        same_event: Within what ids are compared; see `measures.same_event`.
        aa: A query of the events of the A/A phase, where they have ids.
    """

    same_event: str
    aa: list[str]


def _roll_day(
    db: Database, period: Period, partitions: list[Partition], totals: tuple[Total, ...], ids: _Ids, state: str
) -> str:
    """The query of the state at the end of the last of some days, out of that of the day before."""
    today, earlier = partitions[-1], partitions[:-1]
    since, until = midnight(today.day), midnight(today.day + timedelta(days=1))
    times = {"start": midnight(period.start), "since": since, "until": until}
    # Rows of earlier files whose time had not come yet.
    early = [partition for partition in earlier if partition.last_day and partition.last_day >= today.day]
    _show_fresh(db, "unit_days", [today.units], [p.units for p in early])
    bounds = {name: f"timestamp {literal(str(time))}" for name, time in times.items()}
    exposed = filled("exposed" if early or _has_units_twice(db, today) else "exposed_once", **bounds)
    columns = "".join(f", s.{column(i)}" for i in range(len(totals)))
    make(db, "known_units", filled("known_units", totals=columns, exposed=exposed, state=state), **times)
    _show_fresh(db, "event_rows", today.event_files, [file for p in early for file in p.event_files])
    show(db, "news", filled("news", **bounds))
    make(db, "moved", "select unit_id from known_units where moved")
    news = _without_repeats(db, partitions, early, times, ids)
    if one(db, "select count(*) from moved"):
        news = _count_again(db, news, partitions, times, ids)
    scales = scales_of(totals, partitions)
    added = "".join(f", {sum_of(total, scales[i])} as {column(i)}" for i, total in enumerate(totals))
    make(db, "added", filled("added", totals=added, news=news))
    grown = "".join(
        f", case when m.unit_id is not null then 0 else coalesce(u.{c}, 0) end + coalesce(a.{c}, 0) as {c}"
        for c in map(column, range(len(totals)))
    )
    return filled("state_next", totals=grown)


def _has_units_twice(db: Database, partition: Partition) -> bool:
    """Whether some unit of a day's log has exposures of several UTC days."""
    return one(db, "select count(*) from fresh_rows_of_unit_days") != partition.made.exposure_log.units


def column(number: int) -> str:
    """The column of a total, in the order of `totals_of`."""
    return f"t{number}"


def _columns(totals: tuple[Total, ...]) -> str:
    return "".join(f", {column(number)}" for number in range(len(totals)))


def _empty(totals: tuple[Total, ...]) -> str:
    return "".join(f", cast(0 as double) as {column(number)}" for number in range(len(totals)))


def _context(partition: Partition) -> str:
    """The names of the context as the partition's file has them: one text each."""
    return f"(select context from read_parquet({literal(str(partition.units))}) limit 0)"


def _show_fresh(db: Database, view: str, fresh: list[Path], early: list[Path]) -> None:
    """Rows of today's files, and of earlier ones that may have rows of today."""
    read(db, "fresh_rows_of_" + view, fresh)
    query = f"select *, true as is_fresh from {identifier('fresh_rows_of_' + view)}"
    if early:
        read(db, "early_rows_of_" + view, early)
        query += f" union all select *, false as is_fresh from {identifier('early_rows_of_' + view)}"
    show(db, view, query)


def _without_repeats(
    db: Database, partitions: list[Partition], early: list[Partition], times: dict[str, datetime], ids: _Ids
) -> str:
    """The relation of news whose id was not there before; units of a repeat that is the earlier one are counted again.

    A day's file holds each id once, so news can only repeat what other files hold.
    """
    files = [file for p in partitions[:-1] if p.made.has_ids for file in p.event_files]
    fresh = (partitions[-1], *early)
    aa = ids.aa if any(p.has_ids for p in fresh) else []
    if not (files or aa) or not any(p.made.has_ids for p in fresh):
        return "news"
    _show_all(db, "earlier_rows", files, aa)
    make(db, "again", statement("again") + (f" union {statement('twice')}" if early else ""), **times)
    if not one(db, "select count(*) from again"):
        return "news"
    make(db, "repeats", filled("repeats", same_event=ids.same_event), **times)
    db.execute(statement("repeats_moved"))
    make(db, "news_once", filled("news_once", news="news"))
    return "news_once"


def _show_all(db: Database, view: str, files: list[Path], aa: list[str]) -> None:
    """Rows of some files, and of the A/A phase where their ids are asked for."""
    queries = aa
    if files:
        read(db, "files_of_" + view, files)
        queries = [f"select * from {identifier('files_of_' + view)}", *aa]
    show(db, view, " union all ".join(queries))


def _count_again(db: Database, news: str, partitions: list[Partition], times: dict[str, datetime], ids: _Ids) -> str:
    """The relation of news in which moved units have all their rows so far, each id once."""
    files = [file for partition in partitions for file in partition.event_files]
    _show_all(db, "all_rows", files, ids.aa if any(p.has_ids for p in partitions) else [])
    make(db, "news_again", filled("news_again", news=news, same_event=ids.same_event), **times)
    return "news_again"


def scales_of(totals: Sequence[Total], partitions: Sequence[Filed]) -> list[float]:
    """By how much each sum is stretched before it is rounded to a whole number: a power of two."""
    found = []
    for total in totals:
        largest = max((p.largest.get(total.measure.label, 0.0) for p in partitions), default=0.0)
        found.append(scale_of(largest))
    return found


def scale_of(largest: float) -> float:
    """The power of two that makes numbers up to `largest` whole, to 90 bits; they are added exactly then."""
    return math.ldexp(1.0, min(BITS - math.frexp(largest)[1], 1000))


def sum_of(total: Total, scale: float, *, only: str = "") -> str:
    """SQL text: the total over rows `e` of a unit `u`, perhaps `only` some of them; null when a sum has no row."""
    which = f"e.measure = {literal(total.measure.label)}"
    if only:
        which += f" and {only}"
    if total.window_days is not None:
        which += f" and e.happened < u.entered + interval {total.window_days} day"
    if total.use == "count":
        return f"cast(count(*) filter (where {which}) as double)"
    return f"{exact_sum('e.amount', scale)[0]} filter (where {which}){exact_sum('e.amount', scale)[1]}"


def value_of(made: Made, scale: float) -> str:
    """SQL text: a metric that is no ratio over rows `e` of a unit `u`; 0 where no row counts."""
    total = sum_of(made.x, scale)
    return f"cast({total} > 0 as double)" if made.any else f"coalesce({total}, 0)"


def exact_sum(expression: str, scale: float) -> tuple[str, str]:
    """A sum that does not depend on the order of the rows: the aggregate, and what turns it back into a number."""
    return f"cast(sum(cast({expression} * {scale!r} as hugeint))", f" as double) / {scale!r}"
