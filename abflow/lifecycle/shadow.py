"""May real users meet the new version at all? The shadow log's contract, and what it says of the version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from abflow.analysis.gates import Check, Status, judge, skipped
from abflow.errors import EvidenceMissing, GateStopped
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.guards import current_blueprint, keep_gate
from abflow.spec.calendar import GateName, Step
from abflow.spec.phases import Skipped
from abflow.validation.expectations import check_shadow_log
from abflow.validation.judge import judge_shadow
from abflow.validation.log_report import LogReport, require_contract
from abflow.validation.shadow import shadow_counts
from abflow.validation.shadow_check import ShadowCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowDay:
    """One day of the shadow log: whether it keeps its contract, and what it says of the new version."""

    report: LogReport
    inputs: str
    checks: tuple[Check, ...]


def validate_shadow_log(bench: Bench, day: date) -> str:
    """Judge one shadow day; on the last one, all of them together.

    Raises:
        ContractBroken: The log is not what the contract promises.
        GateStopped: A day fails, or at the end the gate does not open.
    """
    current_blueprint(bench)
    phase, period = bench.spec.phases.shadow, bench.calendar.shadow
    if isinstance(phase, Skipped) or period is None:
        reason = phase.skip if isinstance(phase, Skipped) else ""
        return keep_gate(bench, skipped(GateName.SHADOW, reason, data_through=day))
    today = _judge_day(bench, day)
    failed = [check for check in today.checks if check.status is Status.FAIL]
    if day != bench.calendar.gate_day(GateName.SHADOW):
        if failed:
            raise GateStopped(
                f"{bench.spec.experiment}: shadow day {day} fails. {' '.join(c.sentence for c in failed)} "
                "Mend the cause, then run validate_shadow_log again (in Airflow: clear the task)."
            )
        return f"Shadow day {day} keeps its contract. {' '.join(c.sentence for c in today.checks)}"
    for earlier in period.days_through(day):
        if bench.store.find(_name(earlier), ShadowDay) is None:
            raise EvidenceMissing(f"shadow day {earlier} was not validated; run {Step.VALIDATE_SHADOW_LOG} on it first")
    counts = shadow_counts([bench.log("shadow", each) for each in period.days_through(day)])
    together = tuple(_check(found) for found in judge_shadow(counts))
    gate = judge(
        GateName.SHADOW,
        together,
        data_through=day,
        passed="The new version answers reliably, quickly and much like the old one.",
    )
    return keep_gate(bench, gate)


def _judge_day(bench: Bench, day: date) -> ShadowDay:
    log = bench.log("shadow", day)
    report = check_shadow_log(log, threads=bench.settings.threads)
    require_contract(report)
    checks = tuple(_check(found) for found in judge_shadow(shadow_counts([log])))
    judged = ShadowDay(report=report, inputs=log.content_hash(), checks=checks)
    bench.store.save(_name(day), judged)
    return judged


def _check(found: ShadowCheck) -> Check:
    sentence = found.sentence[0].upper() + found.sentence[1:] + ("" if found.sentence.endswith("?") else ".")
    return Check(name=found.name, status=Status(found.status), sentence=sentence, numbers=dict(found.numbers))


def _name(day: date) -> str:
    return f"shadow/date={day}"
