"""Stopping for harm: the verdict that no look needs."""

from __future__ import annotations

from datetime import date, datetime

from abflow.analysis.verdict import stopped_for_harm
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.daily import Health, harms_before
from abflow.lifecycle.guards import require_frozen, require_gates, was_stopped_for_harm
from abflow.lifecycle.horizon import passed_over, record
from abflow.spec.calendar import Step
from abflow.store.files import to_json


def stop_for_harm(bench: Bench, day: date, *, now: datetime) -> str | None:
    """End the experiment when this day's health found harm in the last arm that was still served.

    A day that is checked again, on logs that were mended, takes its stop back.

    Returns:
        The verdict's sentence; None when the experiment goes on.
    """
    health = bench.store.get(f"health/date={day}", Health, step=f"{Step.CHECK_HEALTH} on {day}")
    harms = (*harms_before(bench, day), *health.harms)
    if not health.harms or {harm.arm for harm in harms} != set(bench.spec.treatments):
        if was_stopped_for_harm(bench, day):
            bench.store.forget("verdict")
            with bench.ledger.lock():
                facts = {"day": day.isoformat(), "reason": "the day was checked again and shows no harm"}
                bench.ledger.append("stop_withdrawn", bench.spec.experiment, facts, at=now)
        return None
    frozen = require_frozen(bench)
    gates = require_gates(bench, through=day)
    verdict = stopped_for_harm(bench.spec, harms, on=day, spec_sha256=frozen.spec_sha256, continued=passed_over(gates))
    if bench.tracking:
        bench.tracking.evidence("verdict.json", to_json(verdict))
    bench.store.keep("verdict", verdict)
    record(bench, verdict, now=now)
    return f"Verdict: {verdict.decision} (rule {verdict.rule}). {verdict.sentence}"
