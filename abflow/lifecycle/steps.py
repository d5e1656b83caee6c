"""Every step by its name, as Airflow, the command line and the tests call it.

A step's modules are imported when it is done: choosing the steps of a day needs neither DuckDB nor scipy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum

from abflow.errors import LifecycleError, RegistryError
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.guards import (
    has_ended,
    require_not_ended,
    require_running,
    was_extended,
    was_stopped_for_harm,
)
from abflow.logs.cost import Cost, metered
from abflow.spec.calendar import Step, calendar_of, steps_due

Clock = Callable[[], datetime]
READ_DAYS = (Step.AGGREGATE_DAY, Step.CHECK_HEALTH, Step.AA_CHECK, Step.SAMPLE_SIZE_GATE, Step.ANALYZE)
AFTER_LOOK = (Step.DECIDE, Step.APPROVE, Step.PROMOTE)
AFTER_HEALTH = (Step.ANALYZE, *AFTER_LOOK)

log = logging.getLogger(__name__)


class Ended(StrEnum):
    """How a step ended when it did not raise."""

    DONE = "done"
    NOTHING_TO_DO = "nothing_to_do"
    WAITS = "waits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step did, in a sentence, and what it cost."""

    step: Step
    day: date
    ended: Ended
    sentence: str
    cost: Cost | None = None


def utc_now() -> datetime:
    """The time, for ledger and receipt."""
    return datetime.now(UTC)


def due(bench: Bench, day: date) -> tuple[Step, ...]:
    """The steps of a day.

    Raises:
        LifecycleError: The day is not one of the experiment's.
        ExperimentStopped: It has ended before this day, or somebody gave it up.
    """
    require_running(bench)
    planned, longest = calendar_of(bench.spec), calendar_of(bench.spec.extended)
    if not planned.first <= day <= longest.last:
        raise LifecycleError(
            f"{bench.spec.experiment} runs from {planned.first} to {longest.last}; {day} is not one of its days"
        )
    require_not_ended(bench, day)
    return steps_due(bench.spec if day <= planned.last else bench.course, day)


def run_step(bench: Bench, step: Step, day: date, *, dry_run: bool = False, clock: Clock = utc_now) -> Outcome:
    """Do one step of one day; what it cost goes to the log and to the MLflow run.

    A step that reads days first sees whether the logs of any of them have changed since.

    Args:
        bench: The experiment.
        step: The step.
        day: The experiment day, in UTC.
        dry_run: Plan the promotion, and leave the registry alone.
        clock: The time for ledger and receipt.

    Raises:
        AbflowError: The step cannot be done, or stops the experiment; the message says why and what to do.
    """
    if step not in due(bench, day):
        raise LifecycleError(f"{bench.spec.experiment}: {step} is not due on {day}")
    with metered() as meter:
        try:
            told = _catch_up(bench, now=clock()) if step in READ_DAYS else ""
            outcome = _do(bench, step, day, dry_run=dry_run, clock=clock)
        finally:
            cost = meter.cost()
            log.info("Cost of %s on %s: %s.", step, day, cost)
    track(bench, step.value, day, cost, at=clock())
    return replace(outcome, sentence=f"{told} {outcome.sentence}".strip(), cost=cost)


def _catch_up(bench: Bench, *, now: datetime) -> str:
    from abflow.lifecycle.restated import catch_up

    return catch_up(bench, now=now)


def _do(bench: Bench, step: Step, day: date, *, dry_run: bool, clock: Clock) -> Outcome:
    if has_ended(bench, day):
        sentence = "With its restated days the experiment ended before this one."
        return Outcome(step=step, day=day, ended=Ended.NOTHING_TO_DO, sentence=sentence)
    if step in AFTER_HEALTH and was_stopped_for_harm(bench, day):
        return Outcome(step=step, day=day, ended=Ended.NOTHING_TO_DO, sentence="The test was stopped for harm today.")
    if step in AFTER_LOOK and was_extended(bench, day):
        return Outcome(step=step, day=day, ended=Ended.NOTHING_TO_DO, sentence="The test was extended on this day.")
    match step:
        case Step.VALIDATE_SHADOW_LOG:
            from abflow.lifecycle.shadow import validate_shadow_log

            return _done(step, day, validate_shadow_log(bench, day))
        case Step.AGGREGATE_DAY:
            from abflow.lifecycle.daily import aggregate_day
            from abflow.lifecycle.restated import noting

            with noting(bench, day):
                return _done(step, day, aggregate_day(bench, day))
        case Step.CHECK_HEALTH:
            from abflow.lifecycle.daily import check_health
            from abflow.lifecycle.harm import stop_for_harm

            sentence = check_health(bench, day)
            if stopped := stop_for_harm(bench, day, now=clock()):
                from abflow.lifecycle.page import write_scorecard

                write_scorecard(bench)
            return _done(step, day, stopped or sentence)
        case Step.AA_CHECK:
            from abflow.lifecycle.preparation import aa_check

            return _done(step, day, aa_check(bench, day))
        case Step.SAMPLE_SIZE_GATE:
            from abflow.lifecycle.preparation import sample_size_gate

            return _done(step, day, sample_size_gate(bench, day))
        case Step.ANALYZE:
            from abflow.lifecycle.extending import extend
            from abflow.lifecycle.horizon import analyze

            if longer := extend(bench, day, now=clock()):
                from abflow.lifecycle.page import write_scorecard

                write_scorecard(bench)
            return _done(step, day, longer or analyze(bench, day))
        case Step.DECIDE:
            from abflow.lifecycle.horizon import judge
            from abflow.lifecycle.page import write_scorecard

            sentence = judge(bench, day, now=clock())
            write_scorecard(bench)
            return _done(step, day, sentence)
        case Step.APPROVE:
            return _approve(bench, day)
        case Step.PROMOTE:
            return _promote(bench, day, dry_run=dry_run, clock=clock)


def _done(step: Step, day: date, sentence: str) -> Outcome:
    return Outcome(step=step, day=day, ended=Ended.DONE, sentence=sentence)


def track(bench: Bench, step: str, day: date, cost: Cost, *, at: datetime) -> None:
    """Write what a step cost into the MLflow run.

    Costs are no evidence: a step that is done does not fail because nobody could write down what it cost.
    """
    if bench.tracking is None:
        return
    number = (day - bench.calendar.first).days + 1
    try:
        bench.tracking.cost(step, number, asdict(cost), at=at)
    except RegistryError as error:
        log.warning("The cost of %s on %s was not written: %s", step, day, error)


def run_through(bench: Bench, last: date | None = None, *, clock: Clock = utc_now) -> Iterator[Outcome]:
    """Do every step of every day up to `last`, in order; stop at an open approval, or when a look has ended it."""
    day = bench.calendar.first
    while day <= min(last or bench.calendar.last, bench.calendar.last) and not has_ended(bench, day):
        for step in due(bench, day):
            outcome = run_step(bench, step, day, clock=clock)
            yield outcome
            if outcome.ended is Ended.WAITS or has_ended(bench, day):
                return
        day = date.fromordinal(day.toordinal() + 1)


def note_manual_run(bench: Bench, day: date, *, run_id: str, reason: str | None, dry_run: bool) -> None:
    """Write into the ledger that somebody ran a day by hand, and why."""
    facts = {"run_id": run_id, "day": day.isoformat(), "reason": reason or "", "dry_run": dry_run}
    with bench.ledger.lock():
        bench.ledger.record_once("manual_run", bench.spec.experiment, facts, at=utc_now(), same="run_id")


def _approve(bench: Bench, day: date) -> Outcome:
    from abflow.lifecycle import promotion

    plan = promotion.open_plan(bench, day)
    if plan is None:
        ended, sentence = Ended.NOTHING_TO_DO, "The verdict promotes nothing; nobody is asked."
    elif approval := promotion.approval_of(bench, plan):
        ended, sentence = Ended.DONE, f"{approval.by} answered: {approval.answer}. {approval.reason}"
    else:
        ended, sentence = (
            Ended.WAITS,
            (
                f"Waiting for an approval.\n{promotion.question(bench, plan)}\n"
                f"Answer with: abflow approve {bench.spec.experiment} --reason '...'"
            ),
        )
    return Outcome(step=Step.APPROVE, day=day, ended=ended, sentence=sentence)


def _promote(bench: Bench, day: date, *, dry_run: bool, clock: Clock) -> Outcome:
    from abflow.lifecycle.page import write_scorecard
    from abflow.lifecycle.promotion import finish, open_plan, promote

    plan = open_plan(bench, day)
    sentence = promote(bench, day, now=clock(), dry_run=dry_run)
    if not dry_run:
        write_scorecard(bench)
        finish(bench)
    ended = Ended.DONE if plan else Ended.NOTHING_TO_DO
    return Outcome(step=Step.PROMOTE, day=day, ended=ended, sentence=sentence)
