"""What a promotion would change in the registry, with the evidence that goes onto the version."""

from __future__ import annotations

import hashlib

from abflow.analysis.blueprint import Blueprint
from abflow.analysis.gates import Check, Status
from abflow.analysis.readout import Readout
from abflow.analysis.verdict import Verdict
from abflow.analysis.wording import effect, interval
from abflow.errors import LifecycleError
from abflow.lifecycle.bench import Bench
from abflow.registry.plan import PREVIOUS, RECEIPT, PromotionPlan, Receipt, plan_promotion
from abflow.stats.result import Estimate
from abflow.store.files import to_json


def plan_for(
    bench: Bench, variant: str, version: str, *, verdict: Verdict, readout: Readout | None, said: str
) -> PromotionPlan:
    """Plan to make a variant's version the one that serves.

    Args:
        bench: The experiment.
        variant: Whose version.
        version: Of the registered model.
        verdict: What was decided.
        readout: What it was decided on; None when harm ended the test before anybody read it.
        said: The verdict as the version's tag says it.

    Raises:
        LifecycleError: The experiment names no model.
    """
    spec, registry = bench.spec, bench.registry
    if registry is None or spec.model is None:
        raise LifecycleError(f"{spec.experiment} names no model, so there is nothing to promote")
    aliases, evidence = registry.aliases(spec.model), sha256_of(verdict)
    tags = {
        "abflow.experiment": spec.experiment,
        "abflow.verdict": said,
        "abflow.metric": spec.primary_name,
        "abflow.spec_sha256": verdict.spec_sha256,
        "abflow.verdict_sha256": evidence,
    }
    primary = readout.of(spec.primary_name, variant) if readout else None
    if primary and isinstance(primary.effect, Estimate):
        found, metric = primary.deciding or primary.effect, spec.primary
        tags["abflow.effect"] = effect(metric, found.value)
        tags["abflow.interval"] = f"{interval(metric, found.lower, found.upper)} ({100 * found.confidence:g} %)"
    return plan_promotion(
        experiment=spec.experiment,
        model=spec.model,
        alias=spec.promotion.alias,
        champion=aliases.get(spec.promotion.alias),
        previous=aliases.get(PREVIOUS + spec.promotion.alias),
        winner=version,
        stages=spec.promotion.stages,
        evidence=evidence,
        tags=tags,
    )


def champion_moved(bench: Bench, blueprint: Blueprint) -> Check | None:
    """V1: the champion was changed by others while the test ran."""
    registry, spec = bench.registry, bench.spec
    if registry is None or spec.model is None:
        return None
    now = registry.aliases(spec.model).get(spec.promotion.alias)
    receipt = bench.store.find(RECEIPT, Receipt)
    ours = receipt.promoted if receipt else blueprint.champion
    alias = f"{spec.model}@{spec.promotion.alias}"
    if now in (blueprint.champion, ours):
        return Check(
            name="champion",
            status=Status.PASS,
            sentence=f"{alias} was not changed by others during the test.",
        )
    return Check(
        name="champion",
        status=Status.FAIL,
        sentence=f"{alias} was version {blueprint.champion or 'none'} when the experiment began and is "
        f"{now or 'none'} now, so the control is not what serves any more.",
    )


def sha256_of(value: object) -> str:
    """Hash of a value as the store writes it."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()
