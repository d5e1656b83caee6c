"""The two gates before the test: does the machinery tell the truth, and can the test answer its question?"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.aa import MetricValues, aa_checks
from abflow.analysis.blueprint import Frozen
from abflow.analysis.gates import Gate, GateStatus, judge, skipped
from abflow.analysis.inflow import counting_days, inflow_of
from abflow.analysis.look_checks import checks_of_end
from abflow.analysis.population import Population
from abflow.analysis.sizing import size_test
from abflow.analysis.validity import rows_of_the_test, served_version
from abflow.engine.measuring import Recorded, measure, unit_values
from abflow.lifecycle.bench import Bench, reading
from abflow.lifecycle.daily import answered_by, expected_versions
from abflow.lifecycle.guards import current_blueprint, keep_gate, require_gates, require_health, require_open
from abflow.lifecycle.history import BESIDE
from abflow.spec.calendar import GateName, Step
from abflow.spec.phases import Skipped


@reading
def aa_check(bench: Bench, day: date) -> str:
    """Judge the A/A phase at its end; once the plan is frozen, beside the judgement that it rests on.

    Raises:
        GateStopped: The gate does not open.
    """
    blueprint = current_blueprint(bench)
    require_gates(bench, through=day - timedelta(days=1))
    phase, period = bench.spec.phases.aa, bench.calendar.aa
    if isinstance(phase, Skipped) or period is None:
        reason = phase.skip if isinstance(phase, Skipped) else ""
        return keep_gate(bench, skipped(GateName.AA, reason, data_through=day))
    days = period.days_through(day)
    require_health(bench, days)
    recorded = bench.recorded(period, day, history=True)
    population = measure(bench.spec, recorded, segments=True, resources=bench.settings.resources)
    events_by_day = {partition.day: partition.made.outcome_log.seen for partition in recorded.partitions}
    checks = (
        *checks_of_end(bench.spec, population, days=period.enroll_days, events_by_day=events_by_day),
        served_version(bench.spec, answered_by(recorded), expected_versions(blueprint, period)),
        *aa_checks(bench.spec, population, values=_units_of(bench, recorded)),
        *rows_of_the_test(period.end, {each.day: each.last_day for each in recorded.partitions if each.last_day}),
    )
    gate = judge(
        GateName.AA,
        checks,
        data_through=day,
        passed="Assignment, logging and metrics show no difference where there is none.",
    )
    known = bench.store.find(f"gates/{GateName.AA}", Gate)
    if known and known.opens and bench.store.find("frozen", Frozen):
        return _stands(bench, known, again=gate)
    bench.store.save("aa/population", population)
    return keep_gate(bench, gate)


def _stands(bench: Bench, gate: Gate, *, again: Gate) -> str:
    """The plan was frozen on what a gate said, so that stands, and what it says on restated days lies beside it."""
    if again == gate:
        bench.store.forget(BESIDE)
    else:
        bench.store.keep(BESIDE, again)
    return f"The {gate.gate} gate, judged again, says {again.status}: {again.reason} The frozen plan stands."


def _units_of(bench: Bench, recorded: Recorded) -> MetricValues:
    """Fetches what every unit did in one metric, all arms together."""

    def fetch(metric: str) -> NDArray[np.float64]:
        by_variant = unit_values(
            bench.spec,
            recorded,
            metric,
            bench.spec.analysis.contamination,
            resources=bench.settings.resources,
        )
        return np.concatenate(list(by_variant.values()))

    return fetch


def sample_size_gate(bench: Bench, day: date) -> str:
    """Weigh the units that will come against those that the decision needs, and freeze the plan.

    Raises:
        GateStopped: The test is too small, and the file does not say `continue`.
    """
    current_blueprint(bench)
    spec, calendar = bench.spec, bench.calendar
    _require_gates_before(bench, GateName.SIZING, day)
    if spec.sizing.skip:
        aa = bench.store.find("aa/population", Population)
        inflow = inflow_of(spec, aa, calendar.aa)
        coming = inflow.units(counting_days(spec, days=calendar.test.days)) if inflow else 0.0
        _freeze(bench, needed=None, expected=coming)
        return keep_gate(bench, skipped(GateName.SIZING, spec.sizing.skip, data_through=day))
    aa = None
    if calendar.aa:
        aa = bench.store.get("aa/population", Population, step=f"{Step.AA_CHECK} on {calendar.aa.last}")
    sizing = size_test(spec, aa, calendar.aa, days=calendar.test.days)
    gate = judge(
        GateName.SIZING,
        sizing.checks,
        data_through=day,
        passed=" ".join(check.sentence for check in sizing.checks[:1]),
    )
    if gate.status is GateStatus.INSUFFICIENT:
        gate = replace(gate, continued=spec.sizing.continue_reason)
    if gate.opens:
        _freeze(bench, needed=sizing.needed, expected=sizing.expected)
    return keep_gate(bench, gate)


def _require_gates_before(bench: Bench, gate: GateName, day: date) -> None:
    for name in GateName:
        if name is gate:
            return
        step = f"the {name} gate's step on {bench.calendar.gate_day(name)}"
        if bench.calendar.gate_day(name) <= day:
            require_open(bench, bench.store.get(f"gates/{name}", Gate, step=step))


def _freeze(bench: Bench, *, needed: int | None, expected: float) -> None:
    """From here on the file may not change: nobody has seen an outcome of the test yet."""
    bench.store.save(
        "frozen",
        Frozen(
            spec_sha256=bench.spec.sha256,
            spec=bench.spec.plan.model_dump(mode="json", by_alias=True),
            test_start=bench.calendar.test.start,
            needed_units=needed,
            expected_units=expected,
        ),
    )
