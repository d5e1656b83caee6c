"""The scorecard of an experiment, made from what its store holds at this moment."""

from __future__ import annotations

from typing import TypedDict

from abflow.analysis.blueprint import Blueprint
from abflow.analysis.gates import Gate
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Decision, Verdict
from abflow.lifecycle.bench import Bench
from abflow.lifecycle.horizon import gates_so_far
from abflow.lifecycle.promotion import Receipt, approval_of
from abflow.registry.plan import MoveAlias, PromotionPlan, SetStage, SetTag, describe
from abflow.report.scorecard import render_scorecard
from abflow.report.text import summary_lines

SCORECARD = "scorecard.html"


def write_scorecard(bench: Bench) -> None:
    """Write the scorecard to the store and to the MLflow run."""
    html = render_scorecard(bench.spec, **_evidence(bench))
    if bench.tracking:
        bench.tracking.evidence(SCORECARD, html)
    bench.store.save_text(SCORECARD, html)


def summary(bench: Bench) -> list[str]:
    """The scorecard in a few lines, for a terminal."""
    return summary_lines(bench.spec, **_evidence(bench))


class _Evidence(TypedDict):
    gates: tuple[Gate, ...]
    readout: Readout | None
    verdict: Verdict | None
    blueprint: Blueprint | None
    registry: tuple[str, ...]


def _evidence(bench: Bench) -> _Evidence:
    return {
        "gates": gates_so_far(bench),
        "readout": bench.store.find("readout", Readout),
        "verdict": bench.store.find("verdict", Verdict),
        "blueprint": bench.store.find("blueprint", Blueprint),
        "registry": registry_lines(bench),
    }


def registry_lines(bench: Bench) -> tuple[str, ...]:
    """What was, or would be, changed in the registry."""
    verdict = bench.store.find("verdict", Verdict)
    if bench.spec.model is None:
        return ("The experiment names no model: the lifecycle ends at the verdict.",)
    if verdict is None or verdict.decision is not Decision.PROMOTE:
        return ("The registry was left alone.",)
    plan = bench.store.find("plan", PromotionPlan)
    if plan is None:
        return ("The registry was left alone.",)
    receipt = bench.store.find("receipt", Receipt)
    if receipt and receipt.plan_sha256 == plan.sha256:
        return ("Changed in the registry:", *_in_words(plan))
    approval = approval_of(bench, plan)
    if approval and approval.answer == "reject":
        return (f"The promotion was rejected by {approval.by}; the registry was left alone.",)
    return ("Planned, not done yet:", *_in_words(plan))


def _in_words(plan: PromotionPlan) -> list[str]:
    """Who serves first, then stages and tags; the plan itself moves the alias last."""
    kinds = (MoveAlias, SetStage, SetTag)
    return [describe(change) for kind in kinds for change in plan.changes[::-1] if isinstance(change, kind)]
