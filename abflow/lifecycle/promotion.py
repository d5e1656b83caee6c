"""Who serves from now on: the approval, the promotion, the way back, and giving up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from abflow.analysis.verdict import Decision, Verdict
from abflow.errors import EvidenceMissing, LifecycleError, RegistryError
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.guards import Stopped, require_look, was_extended
from abflow.lifecycle.history import alarms, verdict_changed
from abflow.lifecycle.plans import sha256_of
from abflow.registry.ledger import Ledger
from abflow.registry.mlflow_registry import MlflowRegistry
from abflow.registry.plan import PREVIOUS, RECEIPT, MoveAlias, PromotionPlan, Receipt, SetTag, describe
from abflow.spec.calendar import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person said to one plan; an answer to another plan does not count."""

    plan_sha256: str
    answer: Literal["approve", "reject"]
    by: str
    reason: str
    at: datetime
    timed_out: bool


def open_plan(bench: Bench, day: date) -> PromotionPlan | None:
    """The plan that the verdict asks for, or None when the verdict promotes nothing.

    Raises:
        EvidenceMissing: There is no verdict, or the plan was made for another one.
    """
    if was_extended(bench, day):
        return None
    require_look(bench, day)
    verdict = bench.store.get("verdict", Verdict, step=f"{Step.DECIDE} on {day}")
    if verdict.decision is not Decision.PROMOTE:
        return None
    plan = bench.store.get("plan", PromotionPlan, step=f"{Step.DECIDE} on {day}")
    if plan.evidence != sha256_of(verdict):
        raise EvidenceMissing(f"{bench.spec.experiment}: the plan was made for another verdict; run decide again")
    return plan


def ask(bench: Bench, day: date) -> str | None:
    """What an approver is asked, or None when there is nothing to approve; an earlier answer is void from here on."""
    plan = open_plan(bench, day)
    if plan is None:
        return None
    bench.store.forget("approval")
    return question(bench, plan)


def question(bench: Bench, plan: PromotionPlan) -> str:
    """The verdict, and every change in a line."""
    verdict = bench.store.get("verdict", Verdict, step=Step.DECIDE)
    return "\n".join([verdict.sentence, "", *(f"- {describe(change)}" for change in plan.changes)])


def record_approval(
    bench: Bench,
    *,
    answer: Literal["approve", "reject"],
    by: str,
    reason: str,
    at: datetime,
    timed_out: bool = False,
) -> Approval:
    """Keep what a person said to the plan as it is now.

    Raises:
        LifecycleError: A person's answer has no reason.
    """
    plan = bench.store.get("plan", PromotionPlan, step=Step.DECIDE)
    if not timed_out:
        require_reason(bench, reason)
    approval = Approval(
        plan_sha256=plan.sha256, answer=answer, by=by, reason=reason.strip(), at=at, timed_out=timed_out
    )
    with bench.ledger.lock():
        facts = {
            "plan_sha256": plan.sha256,
            "answer": answer,
            "by": by,
            "reason": approval.reason,
            "timed_out": timed_out,
        }
        bench.ledger.append("approval", bench.spec.experiment, facts, at=at)
    bench.store.save("approval", approval)
    return approval


def require_reason(bench: Bench, reason: str) -> None:
    """Refuse what a person decides without saying why.

    Raises:
        LifecycleError: There is no reason.
    """
    if len(reason.strip()) < 3:
        raise LifecycleError(
            f"{bench.spec.experiment}: {reason.strip()!r} is no reason that others can read later, and an answer needs "
            "a reason; nothing was changed. Answer again with one (in Airflow: clear this task, then it asks again)"
        )


def approval_of(bench: Bench, plan: PromotionPlan) -> Approval | None:
    """The answer to this very plan, or None."""
    approval = bench.store.find("approval", Approval)
    return approval if approval and approval.plan_sha256 == plan.sha256 else None


def promote(bench: Bench, day: date, *, now: datetime, dry_run: bool = False) -> str:
    """Apply the plan to the registry; a second time changes nothing.

    Args:
        bench: The experiment.
        day: The day of the look that ended the experiment.
        now: The time that goes into ledger and receipt.
        dry_run: Say what would be changed, and change nothing.

    Raises:
        EvidenceMissing: There is no verdict, no plan, or no approval of this plan.
        RegistryMoved: The registry is no longer what the plan assumed.
    """
    plan = open_plan(bench, day)
    if plan is None:
        return "The verdict promotes nothing; the registry is left alone."
    registry = bench.registry
    if registry is None:
        raise LifecycleError(f"{bench.spec.experiment} names no model, so there is nothing to promote")
    if dry_run:
        _require_approval(bench, plan)
        return "Dry run, nothing was changed. Would do: " + "; ".join(map(describe, plan.changes)) + "."
    with bench.ledger.lock():
        done = bench.store.find(RECEIPT, Receipt)
        if done and done.promoted == plan.promotes:
            return f"Version {plan.promotes} was promoted on {done.at:%Y-%m-%d}; nothing was changed again."
        _require_approval(bench, plan)
        return carry_out(bench, registry, plan, now=now)


def carry_out(bench: Bench, registry: MlflowRegistry, plan: PromotionPlan, *, now: datetime) -> str:
    """Apply a plan that a verdict or a person stands for, and keep what was changed. The caller locks the ledger.

    Raises:
        RegistryMoved: The registry is no longer what the plan assumed.
    """
    changes = registry.apply(plan)
    entry = bench.ledger.record_once(
        "promoted",
        bench.spec.experiment,
        {
            "plan_sha256": plan.sha256,
            "verdict_sha256": plan.evidence,
            "model": plan.model,
            "alias": plan.alias,
            "from": plan.assumes,
            "to": plan.promotes,
            "changes": [describe(change) for change in plan.changes],
        },
        at=now,
        same="plan_sha256",
    )
    registry.tag(plan.model, plan.promotes, "abflow.ledger_sha256", entry.sha256)
    receipt = Receipt(
        experiment=bench.spec.experiment,
        plan_sha256=plan.sha256,
        promoted=plan.promotes,
        replaced=plan.assumes if plan.assumes != plan.promotes else None,
        changes=tuple(describe(change) for change in plan.changes),
        ledger_sha256=entry.sha256,
        at=now,
    )
    bench.store.save(RECEIPT, receipt)
    moved = [line for line in changes if "@" in line]
    return f"Promoted version {plan.promotes} of {plan.model}. " + "; ".join(moved or ("It was so already",)) + "."


def finish(bench: Bench) -> None:
    """Close the experiment's MLflow run with its verdict."""
    if bench.tracking:
        verdict = bench.store.get("verdict", Verdict, step=Step.DECIDE)
        bench.tracking.alarm(" ".join(alarms(bench).values()))  # none is left when this very verdict was carried out
        bench.tracking.finish({"verdict": verdict.decision.value, "rule": verdict.rule})


def rollback(registry: MlflowRegistry, ledger: Ledger, model: str, *, alias: str, reason: str, now: datetime) -> str:
    """Give the alias back to the version that held it before.

    The previous alias is removed, so that a second rollback cannot bring the withdrawn version back.

    Raises:
        RegistryError: There is no version to go back to.
    """
    with ledger.lock():
        aliases = registry.aliases(model)
        serving, before = aliases.get(alias), aliases.get(PREVIOUS + alias)
        if before is None:
            raise RegistryError(
                f"model {model!r} has no alias @{PREVIOUS + alias}, so there is nothing to go back to; "
                f"set @{alias} in MLflow by hand"
            )
        changes = (
            *((SetTag(model=model, version=serving, key="abflow.rolled_back", value=reason),) if serving else ()),
            MoveAlias(model=model, alias=alias, from_version=serving, to_version=before),
            MoveAlias(model=model, alias=PREVIOUS + alias, from_version=before, to_version=None),
        )
        registry.do(changes)
        facts = {"alias": alias, "from": serving, "to": before, "reason": reason}
        ledger.append("rolled_back", model, facts, at=now)
    return f"{model}@{alias}: {serving or 'none'} -> {before}. It was: {reason}"


def stop(bench: Bench, *, reason: str, now: datetime) -> str:
    """Give the experiment up: every waiting and later day is skipped."""
    with bench.ledger.lock():
        bench.store.save("stopped", Stopped(reason=reason))
        bench.ledger.append("stopped", bench.spec.experiment, {"reason": reason}, at=now)
    return f"{bench.spec.experiment} is stopped: {reason}. In Airflow, clear the failed task once: the rest is skipped."


def _require_approval(bench: Bench, plan: PromotionPlan) -> None:
    changed = verdict_changed(bench)
    if bench.spec.promotion.approval == "none" and not changed:
        return
    approval = approval_of(bench, plan)
    how = f"abflow approve {bench.spec.experiment} --reason ..., or the task {Step.APPROVE} in Airflow"
    if approval is None:
        raise EvidenceMissing(
            f"{bench.spec.experiment}: nobody has approved this plan ({plan.sha256[:12]}); {how}. Marking the task as "
            "successful approves nothing"
            + (", and a verdict that restated days have changed promotes nothing by itself" if changed else "")
        )
    if approval.answer == "reject":
        raise EvidenceMissing(
            f"{bench.spec.experiment}: {approval.by} rejected this plan: {approval.reason or 'no reason given'}"
        )
