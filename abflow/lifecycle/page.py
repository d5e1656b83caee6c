"""The scorecard of an experiment, made from what its store holds at this moment."""

from __future__ import annotations

from abflow.analysis.blueprint import Blueprint, Extended
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Decision, Verdict
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.history import alarms, restated_days
from abflow.lifecycle.horizon import gates_so_far
from abflow.lifecycle.looking import peeks_of
from abflow.lifecycle.overruling import OVERRULING, Overruling
from abflow.lifecycle.promotion import approval_of
from abflow.registry.plan import RECEIPT, MoveAlias, PromotionPlan, Receipt, SetStage, SetTag, describe
from abflow.report.evidence import Evidence, Restated
from abflow.report.scorecard import render_scorecard
from abflow.report.text import summary_lines

SCORECARD = "scorecard.html"


def write_scorecard(bench: Bench) -> None:
    """Write the scorecard to the store and to the MLflow run."""
    if not bench.pages:
        return
    html = render_scorecard(_evidence(bench))
    if bench.tracking:
        bench.tracking.evidence(SCORECARD, html)
    bench.store.save_text(SCORECARD, html)


def summary(bench: Bench) -> list[str]:
    """The scorecard in a few lines, for a terminal."""
    return summary_lines(_evidence(bench))


def _evidence(bench: Bench) -> Evidence:
    return Evidence(
        spec=bench.spec,
        gates=gates_so_far(bench),
        readout=_readout(bench),
        verdict=bench.store.find("verdict", Verdict),
        blueprint=bench.store.find("blueprint", Blueprint),
        registry=registry_lines(bench),
        peeks=peeks_of(bench),
        overruled=_overruled(bench),
        extended=bench.store.find("extended", Extended),
        restated=Restated(days=restated_days(bench), alarms=tuple(alarms(bench).values())),
    )


def _readout(bench: Bench) -> Readout | None:
    """The newest readout; what it explores only while the file asks for just that, as it may change at any time."""
    found = bench.store.find("readout", Readout)
    if found is None or found.made_with == bench.spec.file_sha256:
        return found
    return found.only(bench.spec.plan.metrics)


def _overruled(bench: Bench) -> str | None:
    """Who promoted a variant against the verdict, once that is done."""
    overruling, receipt = bench.store.find(OVERRULING, Overruling), bench.store.find(RECEIPT, Receipt)
    done = overruling and receipt and receipt.plan_sha256 == overruling.plan.sha256
    return f"{overruling.sentence}." if overruling and done else None


def registry_lines(bench: Bench) -> tuple[str, ...]:
    """What was, or would be, changed in the registry."""
    verdict, plan = bench.store.find("verdict", Verdict), bench.store.find("plan", PromotionPlan)
    receipt = bench.store.find(RECEIPT, Receipt)
    if bench.spec.model is None:
        return ("The experiment names no model: the lifecycle ends at the verdict.",)
    overruling = bench.store.find(OVERRULING, Overruling)
    if overruling and receipt and receipt.plan_sha256 == overruling.plan.sha256:
        return ("Changed in the registry, against the verdict:", *_in_words(overruling.plan))
    if plan and receipt and receipt.plan_sha256 == plan.sha256:
        return ("Changed in the registry:", *_in_words(plan))
    done = ("Changed in the registry:", *receipt.changes[::-1]) if receipt else ()
    promotes = verdict is not None and verdict.decision is Decision.PROMOTE
    if plan is None or not promotes or (receipt and receipt.promoted == plan.promotes):
        return done or ("The registry was left alone.",)
    approval = approval_of(bench, plan)
    if approval and approval.answer == "reject":
        return (*done, f"The promotion was rejected by {approval.by}; the registry was left alone.")
    return (*done, "Planned, not done yet:", *_in_words(plan))


def _in_words(plan: PromotionPlan) -> list[str]:
    """Who serves first, then stages and tags; the plan itself moves the alias last."""
    kinds = (MoveAlias, SetStage, SetTag)
    return [describe(change) for kind in kinds for change in plan.changes[::-1] if isinstance(change, kind)]
