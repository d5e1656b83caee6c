"""What rests on days that were read again: health, gate, readout and verdict, done again as far as they were done."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta

from abflow.analysis.gates import Gate
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Decision, Verdict
from abflow.errors import GateStopped
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.daily import Health, check_health
from abflow.lifecycle.guards import was_stopped_for_harm
from abflow.lifecycle.harm import stop_for_harm
from abflow.lifecycle.history import raise_alarms
from abflow.lifecycle.horizon import analyze, judge
from abflow.lifecycle.page import SCORECARD, write_scorecard
from abflow.lifecycle.partitions import has_ids
from abflow.lifecycle.preparation import aa_check
from abflow.spec.calendar import GateName, Period, Phase

log = logging.getLogger(__name__)


def redo(bench: Bench, days: set[date], *, explores: bool, now: datetime) -> list[str]:
    """Do again what rests on these days, in the order of the days, and raise the alarm where a word changed.

    Nothing is promoted or rolled back.

    Args:
        bench: The experiment.
        days: The days.
        explores: Whether the newest readout is to be made again whatever it rests on, with other exploratory metrics.
        now: The time for the ledger.

    Returns:
        What came of it, a sentence each.

    Raises:
        GateStopped: The experiment goes on no longer.
    """
    aa, test = bench.calendar.aa, bench.calendar.test
    told = []
    if aa and (first := _first(bench, days, aa)):
        told += _check_health(bench, aa, first, now=now)
        if bench.store.find(f"gates/{GateName.AA}", Gate):
            told.append(aa_check(bench, aa.last))
    first = _first(bench, days, test)
    if first:
        told += _check_health(bench, test, first, now=now)
    if since := test.start if explores else first:
        told += _read_again(bench, since, now=now)
    alarms = raise_alarms(bench, now=now)
    for sentence in alarms.values():
        log.warning("%s: %s", bench.spec.experiment, sentence)
    if alarms or (bench.store.folder / SCORECARD).exists():
        write_scorecard(bench)
    return [*told, *alarms.values()]


def _first(bench: Bench, days: set[date], period: Period) -> date | None:
    """The first day of a phase that rests on one of these days.

    With CUPED it rests on the days before it too; a test whose events have ids rests on the A/A days, because an event
    that was counted then counts no second time.
    """
    since, aa = period.start, bench.calendar.aa
    if aa and period.phase is Phase.TEST and has_ids(bench, period):
        since = aa.start
    if bench.spec.analysis.cuped:
        since = date.min
    touched = [max(day, period.start) for day in days if since <= day <= period.last]
    return min(touched, default=None)


def _check_health(bench: Bench, period: Period, first: date, *, now: datetime) -> list[str]:
    """The health of every day from the first on, as far as it was checked before."""
    checked = []
    for day in period.days_through(period.last):
        if day < first or not bench.store.find(f"health/date={day}", Health):
            continue
        checked.append(day)
        try:
            check_health(bench, day)
        except GateStopped:
            verdict = bench.store.find("verdict", Verdict)
            if verdict is None or not verdict.ends:
                raise
            # An experiment that has ended is held by nothing; its new verdict will say that it is invalid.
        stop_for_harm(bench, day, now=now)
        if was_stopped_for_harm(bench, day):
            break
    return [f"Health was checked again from {checked[0]} to {checked[-1]}."] if checked else []


def _read_again(bench: Bench, first: date, *, now: datetime) -> list[str]:
    """The newest look, on its own day; what earlier looks spent stays spent, and none of them is taken again."""
    readout, verdict = bench.store.find("readout", Readout), bench.store.find("verdict", Verdict)
    if readout is None or (verdict and verdict.decision is Decision.STOP):
        return []
    day = readout.cut_off - timedelta(days=1)
    if day < first:
        return []
    analyze(bench, day)
    return [judge(bench, day, now=now)] if verdict else []
