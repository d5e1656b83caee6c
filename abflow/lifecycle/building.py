"""Partitions that are built side by side, by whoever is free, before the steps of a day read them."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from abflow.analysis.wording import count
from abflow.errors import DataError, LifecycleError, LogMissing, RegistryMoved, SpecFrozen
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.guards import current_blueprint, require_earlier_gates, require_running
from abflow.lifecycle.partitions import Source, asked_before, build, inputs_of, is_current, sources_of
from abflow.lifecycle.restated import remember, staying, used_days
from abflow.lifecycle.steps import Clock, due, track, utc_now
from abflow.logs.cost import metered
from abflow.spec.calendar import Step

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Build:
    """One day of one log, of which a partition is to be made; tasks hand it to each other as text."""

    day: date
    source: Source

    @classmethod
    def parse(cls, text: str) -> Self:
        """The build that its own text names."""
        day, source = text.split()
        return cls(day=date.fromisoformat(day), source=Source(source))

    def __str__(self) -> str:
        return f"{self.day} {self.source}"


def to_build(bench: Bench, day: date, *, now: datetime) -> tuple[Build, ...]:
    """What is to be built before a day's steps, in the order of the days; no log is read to find that out.

    Beside the day itself these are days before the phase that CUPED asks for, days whose logs changed or of whose logs
    other things are asked now, and later days of the phase that are over: nobody need wait for those to be built one
    after the other.

    Args:
        bench: The experiment.
        day: The experiment day.
        now: The time, which says what days are over.
    """
    try:
        if Step.AGGREGATE_DAY not in due(bench, day):
            return ()
        current_blueprint(bench)
        require_earlier_gates(bench, day)
    except (LifecycleError, SpecFrozen, RegistryMoved) as refused:
        log.info("Nothing is built for steps that will refuse: %s", refused)
        return ()
    days = _days(bench, day, over=now.date() - timedelta(days=1))
    asked = (Build(day=each, source=source) for each in days for source in sources_of(bench, each))
    wanted = tuple(each for each in asked if _is_wanted(bench, each, day))
    for each in {each.day for each in wanted}:
        remember(bench, each)
    return wanted


def _days(bench: Bench, day: date, *, over: date) -> list[date]:
    days = {day, *used_days(bench)}
    if period := bench.calendar.period_of(day):
        days.update(each for each in period.days_through(over) if each > day)
        days.update(asked_before(bench, period) if day == period.start else ())
    return sorted(days)


def _is_wanted(bench: Bench, asked: Build, day: date) -> bool:
    try:
        return not is_current(bench, asked.source, asked.day)
    except LogMissing:
        return asked.day == day  # of other days it says nothing new
    except DataError:
        return asked.day <= day  # whoever builds it will say what is wrong


def build_partition(bench: Bench, wanted: Build, day: date, *, clock: Clock = utc_now) -> str:
    """Build one partition from its log as it is now; done again, it finds it built.

    Args:
        bench: The experiment.
        wanted: What to build.
        day: The day whose steps come after it. Later days are built for their own sake: their errors are left to them.
        clock: The time, for what it cost.

    Returns:
        What was built, in a sentence.

    Raises:
        DataError: The log is missing or broken, and the day needs it; the partition stays as it was.
    """
    require_running(bench)
    current_blueprint(bench)
    name = f"build_{wanted.source}"
    with metered() as meter:
        try:
            sentence = _built(bench, wanted, day)
        finally:
            cost = meter.cost()
            log.info("Cost of %s on %s: %s.", name, wanted.day, cost)
    track(bench, name, wanted.day, cost, at=clock())
    return sentence


def _built(bench: Bench, wanted: Build, day: date) -> str:
    try:
        with staying(bench, wanted.day) if inputs_of(bench, wanted.day) else nullcontext():
            made = build(bench, wanted.source, wanted.day)
    except DataError as error:
        if wanted.day > day or (wanted.day < day and isinstance(error, LogMissing)):
            return f"{wanted} was not built, and {day} does not need it: {error}"
        raise
    return f"{wanted}: {count(made.rows)} rows in the log."
