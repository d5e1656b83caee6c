"""A look at the test: read it, judge it by the table, and plan what follows. Most tests have one look, at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from functools import cache

from abflow.analysis.compare import Values, compare
from abflow.analysis.gates import Check, Gate, GateStatus, Status
from abflow.analysis.harm import Harm
from abflow.analysis.look_checks import checks_of_look
from abflow.analysis.over_time import over_time
from abflow.analysis.population import Contamination
from abflow.analysis.readout import Comparison, Readout
from abflow.analysis.segments import by_segment
from abflow.analysis.unit_records import UnitRecords, pooled_records
from abflow.analysis.validity import served_version
from abflow.analysis.verdict import Decision, Verdict, decide, ends_test
from abflow.analysis.wording import effect, interval
from abflow.engine.measuring import Recorded, measure_in_depth
from abflow.engine.unit_records import units_by_variant
from abflow.lifecycle.bench import Bench, reading
from abflow.lifecycle.daily import Health, answered_by, expected_versions, harms_before
from abflow.lifecycle.guards import (
    current_blueprint,
    require_frozen,
    require_gates,
    require_health,
    require_look,
)
from abflow.lifecycle.looking import as_it_is_read, keep_look, look_on, peeks_of
from abflow.lifecycle.plans import champion_moved, plan_for, sha256_of
from abflow.lifecycle.tables import keep_tables
from abflow.registry.plan import RECEIPT, PromotionPlan, Receipt
from abflow.spec.calendar import Step
from abflow.stats.result import Unavailable
from abflow.store.files import to_json

OTHER: dict[Contamination, Contamination] = {"exclude": "keep_first", "keep_first": "exclude"}


@reading
def analyze(bench: Bench, day: date) -> str:
    """Compare the variants at a look of the plan; the last one is the horizon."""
    require_look(bench, day)
    blueprint = current_blueprint(bench)
    require_gates(bench, through=day)
    frozen = require_frozen(bench)
    period = bench.calendar.test
    days = period.days_through(day)
    require_health(bench, days)
    recorded = bench.recorded(period, day, history=True)
    end = date.fromordinal(day.toordinal() + 1)
    population = measure_in_depth(bench.spec, recorded, resources=bench.settings.resources)
    spec, policy = as_it_is_read(bench), bench.spec.analysis.contamination
    look = look_on(bench, day, planned=frozen.expected_units)
    values = _units_of(bench, recorded)
    comparisons = compare(spec, population, contamination=policy, look=look, values=values)
    readout = Readout(
        experiment=bench.spec.experiment,
        spec_sha256=frozen.spec_sha256,
        inputs=recorded.inputs,
        cut_off=end,
        units=population.units(),
        too_late=population.too_late,
        crossed=population.crossed,
        contamination=policy,
        checks=(),
        comparisons=comparisons,
        beside=compare(spec, population, contamination=OTHER[policy], look=look, values=values),
        segments=by_segment(spec, population),
        over_time=over_time(spec, population),
        attribution=population.attribution,
        exposures=population.exposures,
        day=look.day,
        final=look.final,
        looked_at=tuple(peek.number for peek in peeks_of(bench)),
        file_sha256=bench.spec.file_sha256,
    )
    checks = checks_of_look(
        spec,
        population,
        days=period.enroll_days,
        events_by_day={p.day: p.made.outcome_log.seen for p in recorded.partitions},
        ends=ends_test(spec, readout, dropped=_dropped_before(bench, day)),
    )
    answered = answered_by(recorded, harms_before(bench, day))
    served = served_version(spec, answered, expected_versions(blueprint, period))
    readout = replace(readout, checks=(*checks, served))
    keep_look(bench, day, look, readout)
    if bench.tracking:
        bench.tracking.evidence("readout.json", to_json(readout))
    bench.store.keep("readout", readout)
    keep_tables(bench, population, readout, sha256_of(readout))
    told = [f"{c.metric}, {c.arm}: {_effect(bench, c)}, {c.answer}" for c in readout.comparisons]
    return f"{sum(readout.units.values())} units by {readout.cut_off}. {'; '.join(told)}."


def _units_of(bench: Bench, recorded: Recorded) -> Values:
    """Fetches what every unit did in one metric, and before, by arm."""

    @cache  # every arm asks for the same
    def fetch(metric: str, contamination: Contamination) -> dict[str, UnitRecords]:
        found = units_by_variant(bench.spec, recorded, metric, contamination, resources=bench.settings.resources)
        controls = pooled_records([found.pop(control) for control in bench.spec.controls])
        return {bench.spec.control_name: controls} | found

    return fetch


def judge(bench: Bench, day: date, *, now: datetime) -> str:
    """Turn the readout into a verdict, and a win into a plan for the registry."""
    require_look(bench, day)
    blueprint = current_blueprint(bench)
    gates = require_gates(bench, through=day)
    require_frozen(bench)
    readout = bench.store.get("readout", Readout, step=f"{Step.ANALYZE} on {day}")

    def judged(moved: Check | None) -> Verdict:
        return decide(
            as_it_is_read(bench),
            readout,
            readout_sha256=sha256_of(readout),
            versions=blueprint.versions,
            champion_moved=moved,
            daily=_failed_on_earlier_days(bench, day),
            continued=passed_over(gates),
            dropped=_dropped_before(bench, day),
        )

    verdict = judged(None)
    if not _is_settled(bench, verdict):
        verdict = judged(champion_moved(bench, blueprint))
    plan = _plan(bench, verdict, readout)
    if bench.tracking:
        bench.tracking.evidence("verdict.json", to_json(verdict))
    bench.store.keep("verdict", verdict)
    if plan:
        bench.store.save("plan", plan)
    elif not bench.store.find(RECEIPT, Receipt):  # what was carried out stays known
        bench.store.forget("plan")
    if verdict.decision is not Decision.NONE_YET:
        record(bench, verdict, now=now)
    return f"Verdict: {verdict.decision} (rule {verdict.rule}). {verdict.sentence}"


def _is_settled(bench: Bench, verdict: Verdict) -> bool:
    """Whether the test had ended with the same verdict before, and nothing is left to be promoted.

    Whoever became champion since then did not do so while the test ran.
    """
    known = bench.store.find("verdict", Verdict)
    if known is None or not known.ends:
        return False
    same = (known.on, known.decision, known.winner) == (verdict.on, verdict.decision, verdict.winner)
    return same and (verdict.decision is not Decision.PROMOTE or bench.store.find(RECEIPT, Receipt) is not None)


def record(bench: Bench, verdict: Verdict, *, now: datetime) -> None:
    """Write a verdict into the chain of decisions, once."""
    facts = {
        "verdict_sha256": sha256_of(verdict),
        "decision": verdict.decision.value,
        "winner": verdict.winner,
        "rule": verdict.rule,
        "sentence": verdict.sentence,
        "spec_sha256": verdict.spec_sha256,
        "readout_sha256": verdict.readout,
        "continued": verdict.continued,
    }
    with bench.ledger.lock():
        bench.ledger.record_once("verdict", bench.spec.experiment, facts, at=now, same="verdict_sha256")


def passed_over(gates: Iterable[Gate]) -> dict[str, str]:
    """The gates that let the experiment go on without a pass, with the reasons."""
    return {gate.gate: gate.continued or gate.reason for gate in gates if gate.status is not GateStatus.PASS}


def _dropped_before(bench: Bench, day: date) -> dict[str, Harm]:
    """Arms that were found to do harm on an earlier day."""
    return {harm.arm: harm for harm in harms_before(bench, day)}


def _failed_on_earlier_days(bench: Bench, day: date) -> list[Check]:
    failed = []
    for each in bench.calendar.test.days_through(day):
        health = bench.store.get(f"health/date={each}", Health, step=f"{Step.CHECK_HEALTH} on {each}")
        failed += [check for check in health.checks if check.status is Status.FAIL]
    return failed


def _plan(bench: Bench, verdict: Verdict, readout: Readout) -> PromotionPlan | None:
    """What a win would change; a plan that was made for this very verdict stays."""
    if verdict.decision is not Decision.PROMOTE or bench.registry is None or bench.spec.model is None:
        return None
    if verdict.winner is None or verdict.version is None:
        raise TypeError(f"a promotion of {verdict.winner!r} needs a version")  # a bug: the spec demands versions
    known = bench.store.find("plan", PromotionPlan)
    if known and known.evidence == sha256_of(verdict) and bench.store.find(RECEIPT, Receipt):
        return known
    said = f"{verdict.decision} ({verdict.rule})"
    return plan_for(bench, verdict.winner, verdict.version, verdict=verdict, readout=readout, said=said)


def _effect(bench: Bench, comparison: Comparison) -> str:
    if isinstance(comparison.effect, Unavailable):
        return "could not be computed"
    found, described = comparison.deciding or comparison.effect, bench.spec.metrics[comparison.metric]
    return f"{effect(described, found.value)} ({interval(described, found.lower, found.upper)})"


def gates_so_far(bench: Bench) -> tuple[Gate, ...]:
    """Every gate that has an answer, whatever it is."""
    found = (bench.store.find(f"gates/{name}", Gate) for name in ("shadow", "aa", "sizing"))
    return tuple(gate for gate in found if gate)
