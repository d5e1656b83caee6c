"""What every step asks before it works: Airflow's order is convenience, the evidence is law."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from abflow.analysis.blueprint import Blueprint, Extended, Frozen
from abflow.analysis.gates import Gate, GateStatus
from abflow.analysis.verdict import Decision, Verdict
from abflow.errors import (
    EvidenceMissing,
    ExperimentStopped,
    GateStopped,
    LifecycleError,
    RegistryMoved,
    SpecFrozen,
)
from abflow.lifecycle.bench import Bench
from abflow.spec.assignment import bucket_shares
from abflow.spec.calendar import GATE_STEP, GateName, look_days
from abflow.store.files import to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Somebody gave the experiment up."""

    reason: str


def require_running(bench: Bench) -> None:
    """Refuse when the experiment was given up.

    Raises:
        ExperimentStopped: It was.
    """
    stopped = bench.store.find("stopped", Stopped)
    if stopped:
        raise ExperimentStopped(f"experiment {bench.spec.experiment!r} was stopped: {stopped.reason}")


def require_gates(bench: Bench, *, through: date) -> tuple[Gate, ...]:
    """The gates that are due by the end of a day; all of them open.

    Raises:
        EvidenceMissing: A gate has not been judged.
        GateStopped: A gate did not open.
    """
    gates = []
    for name in GateName:
        if bench.calendar.gate_day(name) > through:
            continue
        gate = bench.store.get(f"gates/{name}", Gate, step=f"{GATE_STEP[name]} on {bench.calendar.gate_day(name)}")
        require_open(bench, gate)
        gates.append(gate)
    return tuple(gates)


def require_earlier_gates(bench: Bench, day: date) -> None:
    """Refuse a day before which a gate is not open; those of the day itself are judged after its data are in."""
    require_gates(bench, through=date.fromordinal(day.toordinal() - 1))
    if bench.store.find("frozen", Frozen):
        require_frozen(bench)


def require_open(bench: Bench, gate: Gate) -> None:
    """Refuse to go on past a gate that did not open.

    Raises:
        GateStopped: It did not.
    """
    if not gate.opens:
        raise GateStopped(
            f"{bench.spec.experiment}: the {gate.gate} gate says {gate.status}. {gate.reason} "
            f"The experiment waits here. Mend the cause, then run {GATE_STEP[gate.gate]} again (in Airflow: clear the "
            "task); or give the experiment up with `abflow stop`."
        )


def keep_gate(bench: Bench, gate: Gate) -> str:
    """Keep a gate's answer, then refuse to go on unless it opens.

    Raises:
        GateStopped: It does not open.
    """
    if bench.tracking:
        bench.tracking.evidence(f"gates/{gate.gate}.json", to_json(gate))
    bench.store.save(f"gates/{gate.gate}", gate)
    require_open(bench, gate)
    if gate.status is GateStatus.SKIPPED:
        return f"The {gate.gate} gate is skipped: {gate.reason}"
    if gate.continued:
        return f"The {gate.gate} gate says {gate.status}: {gate.reason} It goes on because: {gate.continued}"
    warnings = " ".join(f"Warning: {check.sentence}" for check in gate.warnings)
    return f"The {gate.gate} gate passes: {gate.reason} {warnings}".strip()


def require_frozen(bench: Bench) -> Frozen:
    """The frozen plan, which the experiment file still describes.

    Raises:
        EvidenceMissing: Nothing is frozen yet.
        SpecFrozen: The file has changed since.
    """
    frozen = bench.store.get("frozen", Frozen, step=GATE_STEP[GateName.SIZING])
    _refuse_changed(bench, frozen)
    return frozen


def require_look(bench: Bench, day: date) -> None:
    """Refuse to look on a day on which the plan does not.

    Raises:
        LifecycleError: It does not.
    """
    days = look_days(bench.course, bench.calendar)
    if day in days:
        return
    when = f"once, on {days[-1]}" if len(days) == 1 else f"on {', '.join(map(str, days))}"
    raise LifecycleError(
        f"{bench.spec.experiment}: the plan does not look on {day}. With {bench.spec.analysis.method} the primary is "
        f"read {when}"
    )


def has_ended(bench: Bench, day: date) -> bool:
    """Whether a look, or harm, ended the experiment before this day."""
    verdict = bench.store.find("verdict", Verdict)
    return verdict is not None and verdict.ends and verdict.on is not None and verdict.on < day


def was_stopped_for_harm(bench: Bench, day: date) -> bool:
    """Whether harm found on this very day ended the experiment."""
    verdict = bench.store.find("verdict", Verdict)
    return verdict is not None and verdict.decision is Decision.STOP and verdict.on == day


def was_extended(bench: Bench, day: date) -> bool:
    """Whether this is the last day of the plan, on which the test was found to need more."""
    extended = bench.store.find("extended", Extended)
    return extended is not None and extended.on == day


def require_not_ended(bench: Bench, day: date) -> None:
    """Refuse a day after the one whose look or harm ended the experiment.

    Raises:
        ExperimentStopped: It has ended.
    """
    verdict = bench.store.find("verdict", Verdict)
    if verdict and has_ended(bench, day):
        raise ExperimentStopped(
            f"experiment {bench.spec.experiment!r} ended on {verdict.on}: {verdict.decision} (rule {verdict.rule}). "
            f"{verdict.sentence}"
        )


def current_blueprint(bench: Bench) -> Blueprint:
    """The blueprint: made on the experiment's first step, the same ever after.

    Before the plan is frozen a changed file makes a new one, as long as it compares the same versions.

    Raises:
        SpecFrozen: The file changed after the plan was frozen.
        RegistryMoved: An alias points at another version than the one that the evidence so far is about.
    """
    frozen = bench.store.find("frozen", Frozen)
    if frozen:
        _refuse_changed(bench, frozen)
    known = bench.store.find("blueprint", Blueprint)
    if known and known.spec_sha256 == bench.spec.sha256:
        return known
    made = _make_blueprint(bench)
    if known and known.versions != made.versions and (bench.store.folder / "gates").exists():
        raise RegistryMoved(
            f"{bench.spec.experiment}: its evidence is about versions {known.versions}, but the registry now says "
            f"{made.versions}; put the aliases back, or begin a new experiment for the new version"
        )
    if bench.tracking:
        tags = {
            "hypothesis": made.hypothesis,
            "owner": made.owner,
            "spec_sha256": made.spec_sha256,
            "candidates": to_json(made.candidates).strip(),
            "weights": to_json(made.shares).strip(),
        }
        bench.tracking.blueprint(tags, to_json(made))
    bench.store.save("blueprint", made)
    return made


def _make_blueprint(bench: Bench) -> Blueprint:
    spec, calendar, registry = bench.spec, bench.calendar, bench.registry
    versions: dict[str, str | None] = dict.fromkeys(spec.variants)
    champion = None
    if registry and spec.model:
        for name, variant in spec.variants.items():
            versions[name] = registry.resolve(spec.model, variant.version) if variant.version else None
        champion = registry.aliases(spec.model).get(spec.promotion.alias)
    return Blueprint(
        experiment=spec.experiment,
        hypothesis=spec.hypothesis,
        owner=spec.owner,
        model=spec.model,
        control=spec.control_name,
        versions=versions,
        shares=bucket_shares(spec),
        champion=champion,
        first_day=calendar.first,
        test_start=calendar.test.start,
        horizon=calendar.last,
        spec_sha256=spec.sha256,
    )


def _refuse_changed(bench: Bench, frozen: Frozen) -> None:
    if frozen.spec_sha256 == bench.spec.sha256:
        return
    now = bench.spec.plan.model_dump(mode="json", by_alias=True)
    changed = ", ".join(_differences(frozen.spec, now)) or "the order of the variants"
    added = set(bench.spec.plan.metrics) - set(_metrics_of(frozen))
    explore = f"; {' and '.join(sorted(added))} may be looked at with `role: exploratory`" if added else ""
    raise SpecFrozen(
        f"{bench.spec.experiment}: its plan was frozen before the first user was exposed, and the file has changed "
        f"since: {changed}. Put it back as it was, or begin a new experiment under another name{explore}"
    )


def _metrics_of(frozen: Frozen) -> Iterable[str]:
    metrics = frozen.spec.get("metrics")
    return metrics if isinstance(metrics, dict) else ()


def _differences(before: Any, after: Any, path: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted({*before, *after}):
            found += _differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
        return found
    return [] if before == after else [f"{path} was {before!r} and is {after!r}"]


def require_health(bench: Bench, days: tuple[date, ...]) -> None:
    """Refuse when the health of a day was never checked.

    Raises:
        EvidenceMissing: It was not.
    """
    missing = [day for day in days if not (bench.store.folder / f"health/date={day}.json").exists()]
    if missing:
        raise EvidenceMissing(
            f"{bench.spec.experiment}: the health of {missing[0]} was never checked; run check_health on that day "
            "first: marking it as successful does not make its evidence"
        )
