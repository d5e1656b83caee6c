"""Every step by its name, as Airflow, the command line and the tests call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from abflow.analysis.verdict import Verdict
from abflow.errors import LifecycleError
from abflow.lifecycle import daily, horizon, preparation, promotion, shadow
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.guards import require_running
from abflow.lifecycle.page import write_scorecard
from abflow.spec.calendar import Step, steps_due

Clock = Callable[[], datetime]


class Ended(StrEnum):
    """How a step ended when it did not raise."""

    DONE = "done"
    NOTHING_TO_DO = "nothing_to_do"
    WAITS = "waits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step did, in a sentence."""

    step: Step
    day: date
    ended: Ended
    sentence: str


def utc_now() -> datetime:
    """The time, for ledger and receipt."""
    return datetime.now(UTC)


def due(bench: Bench, day: date) -> tuple[Step, ...]:
    """The steps of a day.

    Raises:
        LifecycleError: The day is not one of the experiment's.
        ExperimentStopped: Somebody gave the experiment up.
    """
    require_running(bench)
    calendar = bench.calendar
    if not calendar.first <= day <= calendar.last:
        raise LifecycleError(
            f"{bench.spec.experiment} runs from {calendar.first} to {calendar.last}; {day} is not one of its days"
        )
    return steps_due(bench.spec, day)


def run_step(
    bench: Bench, step: Step, day: date, *, dry_run: bool = False, clock: Clock = utc_now
) -> Outcome:
    """Do one step of one day.

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
    ended = Ended.DONE
    match step:
        case Step.VALIDATE_SHADOW_LOG:
            sentence = shadow.validate_shadow_log(bench, day)
        case Step.AGGREGATE_DAY:
            sentence = daily.aggregate_day(bench, day)
        case Step.CHECK_HEALTH:
            sentence = daily.check_health(bench, day)
        case Step.AA_CHECK:
            sentence = preparation.aa_check(bench, day)
        case Step.SAMPLE_SIZE_GATE:
            sentence = preparation.sample_size_gate(bench, day)
        case Step.ANALYZE:
            sentence = horizon.analyze(bench, day)
        case Step.DECIDE:
            sentence = horizon.judge(bench, day, now=clock())
            write_scorecard(bench)
        case Step.APPROVE:
            ended, sentence = _approve(bench, day)
        case Step.PROMOTE:
            ended, sentence = _promote(bench, day, dry_run=dry_run, clock=clock)
    return Outcome(step=step, day=day, ended=ended, sentence=sentence)


def run_through(bench: Bench, last: date | None = None, *, clock: Clock = utc_now) -> Iterator[Outcome]:
    """Do every step of every day up to `last`, in order; stop where an approval is waited for."""
    end = min(last or bench.calendar.last, bench.calendar.last)
    day = bench.calendar.first
    while day <= end:
        for step in due(bench, day):
            outcome = run_step(bench, step, day, clock=clock)
            yield outcome
            if outcome.ended is Ended.WAITS:
                return
        day = date.fromordinal(day.toordinal() + 1)


def _approve(bench: Bench, day: date) -> tuple[Ended, str]:
    plan = promotion.open_plan(bench, day)
    if plan is None:
        return Ended.NOTHING_TO_DO, "The verdict promotes nothing; nobody is asked."
    approval = promotion.approval_of(bench, plan)
    if approval:
        return Ended.DONE, f"{approval.by} answered: {approval.answer}. {approval.reason}"
    verdict = bench.store.get("verdict", Verdict, step=Step.DECIDE)
    asked = promotion.question(plan, verdict.sentence)
    return Ended.WAITS, (
        f"Waiting for an approval.\n{asked}\nAnswer with: abflow approve {bench.spec.experiment} --reason '...'"
    )


def _promote(bench: Bench, day: date, *, dry_run: bool, clock: Clock) -> tuple[Ended, str]:
    plan = promotion.open_plan(bench, day)
    sentence = promotion.promote(bench, day, now=clock(), dry_run=dry_run)
    write_scorecard(bench)
    if bench.tracking and not dry_run:
        verdict = bench.store.get("verdict", Verdict, step=Step.DECIDE)
        bench.tracking.finish({"verdict": verdict.decision.value, "rule": verdict.rule})
    return (Ended.DONE if plan else Ended.NOTHING_TO_DO), sentence
