"""A person promotes a variant that the verdict does not: possible, with a reason that stays, unless it is invalid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from abflow.analysis.gates import Status
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Decision, Verdict
from abflow.errors import LifecycleError, RegistryMoved
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.guards import current_blueprint
from abflow.lifecycle.plans import champion_moved, plan_for, sha256_of
from abflow.lifecycle.promotion import carry_out, require_reason
from abflow.registry.plan import RECEIPT, PromotionPlan, Receipt, describe
from abflow.spec.calendar import Step

OVERRULING = "overruling"  # the name that it is kept under


@dataclass(frozen=True, slots=True, kw_only=True)
class Overruling:
    """Who promoted a variant against a verdict, and why.

    Attributes:
        decision: What the verdict was.
        plan: What was changed in the registry; its evidence is the verdict's hash.
    """

    variant: str
    decision: Decision
    by: str
    reason: str
    at: datetime
    plan: PromotionPlan

    @property
    def sentence(self) -> str:
        """The same for a person."""
        who = f"{self.by} promoted {self.variant} (version {self.plan.promotes}) on {self.at:%Y-%m-%d}"
        return f"{who} against the verdict {self.decision.replace('_', ' ')}: {self.reason}"


def overrule(bench: Bench, variant: str, *, by: str, reason: str, now: datetime, dry_run: bool = False) -> str:
    """Promote a variant against the verdict; a second time changes nothing.

    Args:
        bench: The experiment.
        variant: The one to promote.
        by: Who decides.
        reason: Why; it goes into the ledger, onto the scorecard and onto the version.
        now: The time that goes into ledger and receipt.
        dry_run: Say what would be changed, and change nothing.

    Raises:
        EvidenceMissing: There is no verdict.
        LifecycleError: The verdict forbids it or says so itself, or there is no such variant, model or reason.
        RegistryMoved: Somebody else changed who serves.
    """
    registry = bench.registry
    if registry is None:
        raise LifecycleError(f"{bench.spec.experiment} names no model, so there is nothing to promote")
    require_reason(bench, reason)
    verdict = bench.store.get("verdict", Verdict, step=Step.DECIDE)
    _require_against(bench, variant, verdict)
    with bench.ledger.lock():
        overruling = _asked_before(bench, variant, verdict) or _new(bench, variant, verdict, by, reason.strip(), now)
        plan, receipt = overruling.plan, bench.store.find(RECEIPT, Receipt)
        if receipt and receipt.plan_sha256 == plan.sha256:
            return f"{overruling.sentence}. Nothing was changed again."
        if dry_run:
            return "Dry run, nothing was changed. Would do: " + "; ".join(map(describe, plan.changes)) + "."
        bench.store.save(OVERRULING, overruling)
        facts = {
            "plan_sha256": plan.sha256,
            "verdict_sha256": plan.evidence,
            "decision": overruling.decision.value,
            "variant": variant,
            "by": overruling.by,
            "reason": overruling.reason,
        }
        bench.ledger.record_once("overruled", bench.spec.experiment, facts, at=overruling.at, same="plan_sha256")
        done = carry_out(bench, registry, plan, now=overruling.at)
    if bench.tracking:
        bench.tracking.finish({"overruled": overruling.sentence})
    return done


def _require_against(bench: Bench, variant: str, verdict: Verdict) -> None:
    """Refuse what no person can decide, and what needs no overruling."""
    name, arms = bench.spec.experiment, bench.spec.treatments
    if variant not in arms:
        raise LifecycleError(f"{name}: {variant!r} is no variant that can be promoted; there is {', '.join(arms)}")
    if verdict.decision is Decision.INVALID:
        raise LifecycleError(f"{name}: the result is invalid, and nobody can promote on it. {verdict.sentence}")
    if verdict.decision is Decision.NONE_YET:
        raise LifecycleError(f"{name}: there is no verdict yet; the test goes on until {bench.calendar.last}")
    if verdict.winner == variant:
        raise LifecycleError(f"{name}: the verdict promotes {variant!r} itself; answer it with `abflow approve`")


def _asked_before(bench: Bench, variant: str, verdict: Verdict) -> Overruling | None:
    """The same, said before: perhaps carried out, perhaps broken off half-way."""
    known = bench.store.find(OVERRULING, Overruling)
    same = known is not None and (known.variant, known.plan.evidence) == (variant, sha256_of(verdict))
    return known if same else None


def _new(bench: Bench, variant: str, verdict: Verdict, by: str, reason: str, now: datetime) -> Overruling:
    name, blueprint = bench.spec.experiment, current_blueprint(bench)
    check = champion_moved(bench, blueprint)
    if check and check.status is Status.FAIL:
        raise RegistryMoved(f"{name}: {check.sentence} Nothing was promoted; what was measured is out of date")
    version = blueprint.versions[variant]
    if version is None:
        raise LifecycleError(f"{name}: variant {variant!r} has no version of a registered model")
    said = f"{verdict.decision} ({verdict.rule}), overruled by {by}: {reason}"
    # By its own text: a readout of an older version reads as one with more fields. After harm there is none.
    readout = bench.store.history("readout", Readout).get(verdict.readout or "")
    plan = plan_for(bench, variant, version, verdict=verdict, readout=readout, said=said)
    return Overruling(variant=variant, decision=verdict.decision, by=by, reason=reason, at=now, plan=plan)
