"""An experiment's days as the engine left them: partitions per day and log, and the state rolled on from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from abflow import __version__
from abflow.engine.exposure_day import ExposureDay, build_exposure_day, exposure_inputs, exposure_question
from abflow.engine.filing import FORMAT
from abflow.engine.history import PastDay, outcomes_of, past_of
from abflow.engine.measuring import Recorded
from abflow.engine.outcome_day import OutcomeDay, build_outcome_day, outcome_inputs, outcome_question
from abflow.engine.unit_day import Partition, UnitDay
from abflow.engine.unit_state import KnownState, UnitState, roll_state, state_inputs
from abflow.errors import DataError, EvidenceMissing, LogMissing
from abflow.logs.content import unchanged
from abflow.spec.calendar import Period, Phase, Step

if TYPE_CHECKING:
    from abflow.lifecycle.bench import Bench
    from abflow.logs.layout import DayLog

Made = TypeVar("Made", ExposureDay, OutcomeDay)


class Source(StrEnum):
    """The logs that a day is made of; each has its own partition, so that they can be read side by side."""

    EXPOSURES = "exposures"
    OUTCOMES = "outcomes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a log's day looked like when a partition was made of it.

    Attributes:
        files: The stamp of its files; while it is the same, nobody reads them again.
        reader: What reads them: see `reader_of`.
        inputs: The partition's.
    """

    files: str
    reader: str
    inputs: str


def build(bench: Bench, source: Source, day: date) -> ExposureDay | OutcomeDay:
    """Make sure that the partition of one log's day is made from the log as it is now, and return its manifest.

    Raises:
        DataError: The day's log is missing, empty or broken; the partition stays as it was.
    """
    return _exposure_day(bench, day) if source is Source.EXPOSURES else _outcome_day(bench, day)


def is_current(bench: Bench, source: Source, day: date) -> bool:
    """Whether the partition of one log's day is made from the log as it looks now; no log is read for that.

    Raises:
        DataError: The day's log is missing, or its files do not say clearly which day they hold.
    """
    exposures = source is Source.EXPOSURES
    known = _known(bench, source, day, ExposureDay) if exposures else _known(bench, source, day, OutcomeDay)
    return _is_seen(bench, bench.log(source, day), known)


def reader_of(bench: Bench) -> str:
    """What says how a log is read: the version of abflow, the format of its partitions, the experiment file."""
    return f"{__version__} {FORMAT} {bench.spec.file_sha256}"


def unit_day(bench: Bench, day: date) -> UnitDay:
    """Make sure that both partitions of a day are made from the logs as they are now; see `build`."""
    return UnitDay(exposure_log=_exposure_day(bench, day), outcome_log=_outcome_day(bench, day))


def sources_of(bench: Bench, day: date) -> tuple[Source, ...]:
    """The logs that are read of a day: while nobody is exposed to the experiment, the outcome log alone."""
    period = bench.calendar.period_of(day)
    return tuple(Source) if period and period.phase is not Phase.SHADOW else (Source.OUTCOMES,)


def inputs_now(bench: Bench, day: date) -> str:
    """Hash of what a day is made from, once its partitions are made from the logs as they are now; see `build`."""
    if Source.EXPOSURES in sources_of(bench, day):
        return unit_day(bench, day).inputs
    return _outcome_day(bench, day).inputs


def inputs_of(bench: Bench, day: date) -> str | None:
    """Hash of what a day was made from; None when nobody has read it."""
    if Source.EXPOSURES not in sources_of(bench, day):
        made = bench.store.find(f"{_place(Source.OUTCOMES, day)}/manifest", OutcomeDay)
        return made.inputs if made else None
    try:
        return manifest(bench, day).inputs
    except EvidenceMissing:
        return None


def _exposure_day(bench: Bench, day: date) -> ExposureDay:
    log = bench.log(Source.EXPOSURES, day)

    def make(folder: Path) -> ExposureDay:
        made = build_exposure_day(bench.spec, log, folder, resources=bench.settings.resources)
        period = bench.calendar.period_of(day)
        if made.exposures == 0 and period and day < period.enroll_end:
            raise DataError(
                f"log 'exposures', day {day}: {log.folder} has no exposure of {bench.spec.experiment} "
                f"({made.rows} rows of others), although units enter the {period.phase} phase on this day; "
                "write the day again, then run it again"
            )
        return made

    return _kept(bench, log, ExposureDay, lambda: exposure_inputs(bench.spec, log), make)


def _outcome_day(bench: Bench, day: date) -> OutcomeDay:
    log = bench.log(Source.OUTCOMES, day)

    def make(folder: Path) -> OutcomeDay:
        return build_outcome_day(bench.spec, log, folder, resources=bench.settings.resources)

    return _kept(bench, log, OutcomeDay, lambda: outcome_inputs(bench.spec, log), make)


def _kept(bench: Bench, log: DayLog, kind: type[Made], inputs: Callable[[], str], make: Callable[[Path], Made]) -> Made:
    known = _known(bench, Source(log.log), log.day, kind)
    if known and _is_seen(bench, log, known):
        return known
    place, files = _place(Source(log.log), log.day), log.stamp()
    with unchanged(log):
        made = known if known and known.inputs == inputs() else bench.store.commit(place, make)
    bench.store.notes.save(place, Seen(files=files, reader=reader_of(bench), inputs=made.inputs))
    return made


def _known(bench: Bench, source: Source, day: date, kind: type[Made]) -> Made | None:
    made = bench.store.find(f"{_place(source, day)}/manifest", kind)
    return made if made and _has_files(bench, source, made) else None


def _is_seen(bench: Bench, log: DayLog, known: ExposureDay | OutcomeDay | None) -> bool:
    seen = bench.store.notes.find(_place(Source(log.log), log.day), Seen)
    if known is None or seen is None or (seen.reader, seen.inputs) != (reader_of(bench), known.inputs):
        return False
    return seen.files == log.stamp()


def manifest(bench: Bench, day: date) -> UnitDay:
    """The manifest of a day that was aggregated.

    Raises:
        EvidenceMissing: It was not.
    """
    step = f"{Step.AGGREGATE_DAY} on {day}"
    return UnitDay(
        exposure_log=bench.store.get(f"{_place(Source.EXPOSURES, day)}/manifest", ExposureDay, step=step),
        outcome_log=bench.store.get(f"{_place(Source.OUTCOMES, day)}/manifest", OutcomeDay, step=step),
    )


def recorded(bench: Bench, period: Period, through: date, *, history: bool = False) -> Recorded:
    """Everything that is known of a phase at the end of a day, its state rolled on as far as needed.

    Args:
        bench: The experiment.
        period: The phase.
        through: The day.
        history: Whether the days before the phase are wanted too, where CUPED reads them.

    Raises:
        EvidenceMissing: A day was not aggregated, or a file of it is gone.
        DataError: The phase has no day yet, or the log of a day before it is broken.
    """
    partitions = [_partition(bench, manifest(bench, day)) for day in period.days_through(through)]
    aa = _aa_days(bench) if period.phase is Phase.TEST and any(each.has_ids for each in partitions) else ()
    return Recorded(
        period=period,
        state=_state(bench, period, partitions, aa),
        partitions=tuple(partitions),
        before=past_days(bench, period) if history else (),
        aa=aa,
    )


def has_ids(bench: Bench, period: Period) -> bool:
    """Whether any outcome of a phase has an id, as far as the phase was read."""
    made = (
        bench.store.find(f"{_place(Source.OUTCOMES, day)}/manifest", OutcomeDay)
        for day in period.days_through(period.last)
    )
    return any(each.has_ids for each in made if each)


def _aa_days(bench: Bench) -> tuple[Partition, ...]:
    """The days of the A/A phase, if it has any event with an id: in the test the same event counts no second time."""
    period = bench.calendar.aa
    days = [_partition(bench, manifest(bench, day)) for day in period.days_through(period.last)] if period else []
    return tuple(days) if any(day.has_ids for day in days) else ()


def past_days(bench: Bench, period: Period) -> tuple[PastDay, ...]:
    """The days before a phase that CUPED reads, as far as there are logs of them.

    On days of the A/A phase the experiment ran, and both their logs were read. Of earlier ones only the outcome log is,
    once: the first time that somebody asks.

    Raises:
        EvidenceMissing: A day of the A/A phase was not aggregated.
        DataError: The log of a day is broken.
    """
    found = (_past_day(bench, day) for day in asked_before(bench, period))
    return tuple(day for day in found if day)


def asked_before(bench: Bench, period: Period) -> tuple[date, ...]:
    """The days before a phase that CUPED asks for; none without it."""
    cuped = bench.spec.analysis.cuped
    return period.days_before(cuped.days) if cuped else ()


def _past_day(bench: Bench, day: date) -> PastDay | None:
    """A day before a phase; None when the outcome log does not have it."""
    if Source.EXPOSURES in sources_of(bench, day):
        return past_of(_partition(bench, manifest(bench, day)))
    place = _place(Source.OUTCOMES, day)
    known = _known(bench, Source.OUTCOMES, day, OutcomeDay)
    try:
        made = known if known and _answers(bench, known) else _outcome_day(bench, day)
    except LogMissing:
        if known:
            _refuse_old_answer(bench, known)
        return None
    return outcomes_of(made, bench.store.folder / place)


def _state(bench: Bench, period: Period, partitions: list[Partition], aa: tuple[Partition, ...]) -> KnownState:
    place = f"unit_state/{period.phase}"
    folder = bench.store.folder / place
    made = bench.store.find(f"{place}/manifest", UnitState)
    known = KnownState(made=made, folder=folder) if made and all((folder / f).exists() for f in made.files) else None
    if known and partitions and known.made.inputs == state_inputs(bench.spec, period, partitions, aa)[-1]:
        return known

    def roll(target: Path) -> UnitState:
        resources = bench.settings.resources
        return roll_state(bench.spec, period, partitions, target, aa=aa, known=known, resources=resources)

    return KnownState(made=bench.store.commit(place, roll), folder=folder)


def _partition(bench: Bench, made: UnitDay) -> Partition:
    for source, log in ((Source.EXPOSURES, made.exposure_log), (Source.OUTCOMES, made.outcome_log)):
        if not _has_files(bench, source, log):
            place = bench.store.folder / _place(source, made.day)
            raise EvidenceMissing(f"a file of {place} is gone; run {Step.AGGREGATE_DAY} on {made.day} again")
        if not _answers(bench, log):
            _refuse_old_answer(bench, log)
    exposures, outcomes = (bench.store.folder / _place(source, made.day) for source in Source)
    return Partition(made=made, exposures=exposures, outcomes=outcomes)


def _answers(bench: Bench, made: ExposureDay | OutcomeDay) -> bool:
    """Whether a partition holds what the experiment asks now; one of an older version does not say."""
    question = exposure_question if isinstance(made, ExposureDay) else outcome_question
    return made.asked is None or made.asked == question(bench.spec)


def _refuse_old_answer(bench: Bench, made: ExposureDay | OutcomeDay) -> NoReturn:
    """Say that a day was read for something else than is asked now; what a metric would find in it, nobody knows."""
    source = Source.EXPOSURES if isinstance(made, ExposureDay) else Source.OUTCOMES
    raise EvidenceMissing(
        f"{bench.spec.experiment}: log {source.value!r}, day {made.day}, was read before something else was asked of "
        "it, such as a new metric, and has not been read again since. If its log is there, run `abflow recheck`; if "
        f"not, put it back, then run {Step.AGGREGATE_DAY} on {made.day} again. Or ask what was asked when it was read: "
        "take out of the experiment file what was added, or put back what was taken out"
    )


def _has_files(bench: Bench, source: Source, made: ExposureDay | OutcomeDay) -> bool:
    folder = bench.store.folder / _place(source, made.day)
    return all((folder / name).exists() for name in made.files)


def _place(source: Source, day: date) -> str:
    return f"unit_day/log={source}/date={day}"
