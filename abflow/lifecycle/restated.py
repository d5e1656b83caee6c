"""Days whose logs changed after they had been read: they are read again, and all that rests on them is done again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Decision, Verdict
from abflow.analysis.wording import spans
from abflow.errors import DataError, LogMissing
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.guards import current_blueprint
from abflow.lifecycle.partitions import Source, inputs_now, inputs_of, reader_of, sources_of

log = logging.getLogger(__name__)

EXPLORING = "exploring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A day as it was when everything that rests on it had been done.

    Attributes:
        files: The stamp of its log files; while it is the same, nobody reads them again.
        reader: What reads them: see `partitions.reader_of`.
        inputs: Hash of what its partitions were made from.
    """

    files: str
    reader: str
    inputs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploring:
    """Noted while the newest readout and its verdict are made again with other exploratory metrics.

    Attributes:
        file_sha256: Of the experiment file with these metrics.
    """

    file_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A day whose partitions are others than what rests on it was made from.

    Attributes:
        restated: Whether its log files changed; otherwise other things are read of them.
        before: Hash of what the partitions were made from.
        now: The day as it is to be noted when everything is done.
    """

    day: date
    restated: bool
    before: str
    now: Settled


def catch_up(bench: Bench, *, now: datetime) -> str:
    """Read days again whose logs changed since, then redo in the order of the days what rests on them.

    A day that nobody touched costs a look at its files' names, sizes and times. A day counts as settled only when all
    is done, so whoever is killed half-way does it again.

    Args:
        bench: The experiment.
        now: The time for the ledger.

    Returns:
        What was found and done, in a sentence or more; empty when no day has changed.

    Raises:
        DataError: The new files of a day are broken; its partitions and all that was made from them stay as they were.
        GateStopped: What was done again holds the experiment.
    """
    if not _unsettled(bench) and not _explores_otherwise(bench):
        return ""
    with bench.store.notes.lock():  # runs that are cleared together would all do the same
        changes = [change for day in _unsettled(bench) if (change := _change(bench, day))]
        explores = _explores_otherwise(bench)
        if not changes and not explores:
            return ""
        from abflow.lifecycle.consequences import redo  # nearly every day has none

        told = _in_words(changes) or "Read again, because other metrics are explored now."
        log.warning("%s: %s", bench.spec.experiment, told)
        _record(bench, changes, now=now)
        if explores:
            bench.store.notes.save(EXPLORING, Exploring(file_sha256=bench.spec.file_sha256))
        done = redo(bench, {change.day for change in changes}, explores=explores, now=now)
        for change in changes:
            bench.store.notes.save(_name(change.day), change.now)
        bench.store.notes.forget(EXPLORING)
    return " ".join([told, *done])


@contextmanager
def noting(bench: Bench, day: date) -> Iterator[None]:
    """Note that a day on which nothing rests yet is read in this block, so that its files are watched from now on.

    What the files were is asked before they are read: what changes meanwhile is noticed later.
    """
    files = None
    if not _is_used(bench, day, _last_checked(bench)):  # otherwise it is for `catch_up` to settle what rests on it
        with suppress(DataError):  # who reads them will say what is wrong
            files = _files_of(bench, day)
    yield
    if files:
        bench.store.notes.save(_name(day), _settled(bench, files, bench.manifest(day).inputs))


def used_days(bench: Bench) -> list[date]:
    """The days on which something may rest: those up to the last one whose health was checked, and CUPED's before."""
    cuped = bench.spec.analysis.cuped
    first = bench.calendar.first - timedelta(days=cuped.days if cuped else 0)
    days = (first + timedelta(days=number) for number in range((bench.calendar.last - first).days + 1))
    checked = _last_checked(bench)
    return [day for day in days if _is_used(bench, day, checked)]


def remember(bench: Bench, day: date) -> Settled | None:
    """What rests on a day; noted before the day is built again, so that `catch_up` finds the difference afterwards.

    That nobody read it is noted too: whoever is stopped half-way, and then takes back what was new, finds it unsettled.
    """
    noted, known = bench.store.notes.find(_name(day), Settled), inputs_of(bench, day)
    if noted is None and known:
        noted = Settled(files="", reader="", inputs=known)
        bench.store.notes.save(_name(day), noted)
    elif noted and noted.reader:
        bench.store.notes.save(_name(day), replace(noted, reader=""))
    return noted


@contextmanager
def staying(bench: Bench, day: date) -> Iterator[None]:
    """Say of an error in the logs of a day that was read before that everything stays as it was.

    Raises:
        DataError: The error, with these words.
    """
    try:
        yield
    except LogMissing:
        raise
    except DataError as error:
        wrong = str(error).rstrip(".")
        told = f"the logs of {day} changed after they had been read. {wrong}. Until then"
        if _is_asked_anew(bench, day):
            told = (
                f"something else is asked of the logs of {day} than before. {wrong}; or ask what was asked. Until then"
            )
        raise type(error)(
            f"{bench.spec.experiment}: {told} its partitions, and all that was made from them, stay as they were"
        ) from error


def _is_asked_anew(bench: Bench, day: date) -> bool:
    """Whether the files of a day look as they did when they were read, so that it is the experiment that changed."""
    noted = bench.store.notes.find(_name(day), Settled)
    try:
        return noted is not None and noted.files == _files_of(bench, day)
    except DataError:
        return False


def _unsettled(bench: Bench) -> list[date]:
    """The days that were read, and whose files do not look as they did then."""
    return [day for day in used_days(bench) if _looks_other(bench, day)]


def _explores_otherwise(bench: Bench) -> bool:
    """Whether the newest readout explores other metrics than the file does now; a stop for harm is never read."""
    readout, verdict = bench.store.find("readout", Readout), bench.store.find("verdict", Verdict)
    if readout is None or readout.spec_sha256 != bench.spec.sha256:
        return False
    # Whoever was killed half-way may have left a new readout that no verdict names yet.
    begun = bench.store.notes.find(EXPLORING, Exploring) is not None
    other = begun or readout.made_with != bench.spec.file_sha256
    return other and not (verdict and verdict.decision is Decision.STOP)


def _last_checked(bench: Bench) -> str:
    """The last day whose health was checked, as its file is called."""
    return max((file.stem for file in (bench.store.folder / "health").glob("date=*.json")), default="")


def _is_used(bench: Bench, day: date, checked: str) -> bool:
    """Whether something may rest on a day; its partition may be there long before anybody needs it."""
    if Source.EXPOSURES in sources_of(bench, day):
        return f"date={day}" <= checked
    return inputs_of(bench, day) is not None  # a day before the phase; nobody notes who reads it


def _looks_other(bench: Bench, day: date) -> bool:
    noted = bench.store.notes.find(_name(day), Settled)
    if noted is None:
        return inputs_of(bench, day) is not None
    try:
        return (noted.files, noted.reader) != (_files_of(bench, day), reader_of(bench))
    except DataError:
        return True


def _change(bench: Bench, day: date) -> Change | None:
    """Build a day again; returns what changed, or None when it has become what it was."""
    known, noted = inputs_of(bench, day), remember(bench, day)
    try:
        with staying(bench, day):
            files = _files_of(bench, day)
            current_blueprint(bench)
            made = inputs_now(bench, day)
    except LogMissing:
        return None  # logs that were cleared away say nothing new
    settled = _settled(bench, files, made)
    before = noted.inputs if noted else known
    if before == known == made:
        bench.store.notes.save(_name(day), settled)
        return None
    return Change(day=day, restated=noted is None or noted.files != files, before=before or "", now=settled)


def _files_of(bench: Bench, day: date) -> str:
    """A text that changes whenever a file of the day's logs does."""
    return " ".join(bench.log(source, day).stamp() for source in sources_of(bench, day))


def _settled(bench: Bench, files: str, inputs: str) -> Settled:
    return Settled(files=files, reader=reader_of(bench), inputs=inputs)


def _in_words(changes: Iterable[Change]) -> str:
    restated = [change.day for change in changes if change.restated]
    asked = [change.day for change in changes if not change.restated]
    told = []
    if restated:
        told.append(f"Read again, because the logs were restated: {spans(restated)}.")
    if asked:
        told.append(f"Read again, because other things are asked of their logs now: {spans(asked)}.")
    return " ".join(told)


def _record(bench: Bench, changes: Iterable[Change], *, now: datetime) -> None:
    days = {str(change.day): change.now.inputs for change in changes if change.restated}
    if not days:
        return
    facts = {"days": days, "before": {str(change.day): change.before for change in changes if change.restated}}
    with bench.ledger.lock():
        bench.ledger.record_once("restated", bench.spec.experiment, facts, at=now, same="days")


def _name(day: date) -> str:
    return f"settled/date={day}"
