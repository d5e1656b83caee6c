"""`PromotionPlan`: what would change in the registry, described by one function and applied by another; `Receipt`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, assert_never

PREVIOUS = "previous_"
RECEIPT = "receipt"  # the name that it is kept under


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveAlias:
    """Point an alias at another version, or at none."""

    kind: Literal["move_alias"] = "move_alias"
    model: str
    alias: str
    from_version: str | None
    to_version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTag:
    """Write a tag on a model version."""

    kind: Literal["set_tag"] = "set_tag"
    model: str
    version: str
    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStage:
    """Write one of the registry's older stages."""

    kind: Literal["set_stage"] = "set_stage"
    model: str
    version: str
    stage: Literal["Production", "Archived"]


Change = MoveAlias | SetTag | SetStage


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionPlan:
    """What a promotion would do, and the registry it was made for; the alias moves last.

    Attributes:
        assumes: The alias's version when the plan was made; any other one refuses the plan.
    """

    experiment: str
    model: str
    alias: str
    assumes: str | None
    promotes: str
    evidence: str
    changes: tuple[Change, ...]

    @property
    def sha256(self) -> str:
        """Hash of the plan; an approval names it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was changed in the registry, and the ledger entry that says so."""

    experiment: str
    plan_sha256: str
    promoted: str
    replaced: str | None
    changes: tuple[str, ...]
    ledger_sha256: str
    at: datetime


def plan_promotion(  # noqa: PLR0913  every part of what is decided
    *,
    experiment: str,
    model: str,
    alias: str,
    champion: str | None,
    previous: str | None,
    winner: str,
    stages: bool,
    evidence: str,
    tags: dict[str, str],
) -> PromotionPlan:
    """Plan to make `winner` the champion.

    Args:
        experiment: The experiment that decided.
        model: The registered model.
        alias: The alias that serves, such as champion.
        champion: The version that holds the alias now.
        previous: The version that holds the previous alias now.
        winner: The version to promote.
        stages: Whether the older stages are written too.
        evidence: Hash of the verdict.
        tags: What to write on the winner, by key.
    """
    changes: list[Change] = [
        SetTag(model=model, version=winner, key=key, value=value) for key, value in sorted(tags.items())
    ]
    if champion is not None and champion != winner:
        changes.append(MoveAlias(model=model, alias=PREVIOUS + alias, from_version=previous, to_version=champion))
    if stages:
        if champion is not None and champion != winner:
            changes.append(SetStage(model=model, version=champion, stage="Archived"))
        changes.append(SetStage(model=model, version=winner, stage="Production"))
    if champion != winner:
        changes.append(MoveAlias(model=model, alias=alias, from_version=champion, to_version=winner))
    return PromotionPlan(
        experiment=experiment,
        model=model,
        alias=alias,
        assumes=champion,
        promotes=winner,
        evidence=evidence,
        changes=tuple(changes),
    )


def describe(change: Change) -> str:
    """One change in a line that a person can approve."""
    match change:
        case MoveAlias():
            return f"{change.model}@{change.alias}: {change.from_version or 'none'} -> {change.to_version or 'none'}"
        case SetTag():
            return f"{change.model} version {change.version}: tag {change.key} = {change.value}"
        case SetStage():
            return f"{change.model} version {change.version}: stage {change.stage}"
        case _:
            assert_never(change)
