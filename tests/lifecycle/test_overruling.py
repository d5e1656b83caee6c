"""A person decides against a verdict: with a reason that stays, and never when the result is invalid."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abflow.analysis.verdict import Decision, Verdict
from abflow.errors import EvidenceMissing, LifecycleError, RegistryMoved
from abflow.lifecycle import overruling, promotion
from abflow.lifecycle.overruling import overrule
from abflow.lifecycle.page import registry_lines, summary, write_scorecard
from abflow.lifecycle.steps import run_step
from abflow.registry.mlflow_registry import MlflowRegistry
from abflow.registry.plan import MoveAlias, Receipt
from abflow.spec.calendar import Step
from tests.lifecycle.world import BETTER, EQUAL, NOON, World, world_at

SERVED = {"champion": "1", "challenger": "2"}
PROMOTED = {"champion": "2", "previous_champion": "1", "challenger": "2"}


@pytest.fixture
def kept(tmp_path: Path, registry_template: Path) -> World:
    """An experiment that is over and promotes nothing."""
    world = world_at(tmp_path, registry_template, EQUAL)
    world.run()
    assert verdict_of(world).decision in (Decision.KEEP, Decision.UNDECIDED)
    return world


def verdict_of(world: World) -> Verdict:
    return world.bench().store.get("verdict", Verdict, step="decide")


def decide(world: World, variant: str = "treatment", **more: Any) -> str:
    told: dict[str, Any] = {"by": "ann", "reason": "half the price", "now": NOON} | more
    return overrule(world.bench(), variant, **told)


def kinds(world: World) -> list[str]:
    return [entry.kind for entry in world.bench().ledger.entries()]


def test_a_version_that_did_not_win_is_promoted_and_everything_says_who_wanted_it(kept: World) -> None:
    word = verdict_of(kept).decision.value
    assert "churn@champion: 1 -> 2" in decide(kept)
    assert kept.aliases() == PROMOTED
    *_, overruled, promoted = kept.bench().ledger.entries()
    assert (overruled.kind, promoted.kind) == ("overruled", "promoted")
    told = {name: overruled.facts[name] for name in ("by", "reason", "variant", "decision")}
    assert told == {"by": "ann", "reason": "half the price", "variant": "treatment", "decision": word}
    assert overruled.facts["plan_sha256"] == promoted.facts["plan_sha256"]
    assert kept.bench().store.get("receipt", Receipt, step="promote").ledger_sha256 == promoted.sha256
    client = kept.bench().registry._client  # type: ignore[union-attr]
    assert client.get_model_version("churn", "2").tags["abflow.verdict"].endswith("overruled by ann: half the price")
    sentence = f"ann promoted treatment (version 2) on {NOON:%Y-%m-%d} against the verdict {word}: half the price."
    first, *lines = summary(kept.bench())
    assert first.partition(" [")[0].endswith(", but overruled")
    assert f"overruled: {sentence}" in lines
    write_scorecard(kept.bench())
    page = (kept.bench().store.folder / "scorecard.html").read_text(encoding="utf-8")
    assert sentence in page
    assert registry_lines(kept.bench())[0] == "Changed in the registry, against the verdict:"
    assert verdict_of(kept).decision == word  # the verdict stays what it was
    run = kept.bench().tracking
    assert run is not None
    assert run._client.get_run(run._run_id).data.tags["abflow.overruled"] == sentence[:-1]


def test_said_again_nothing_is_changed_again(kept: World) -> None:
    decide(kept)
    before, entries = kept.store_bytes(but=()), kinds(kept)
    assert "Nothing was changed again" in decide(kept, reason="really")
    assert (kept.store_bytes(but=()), kinds(kept)) == (before, entries)


def test_later_steps_leave_it_alone_and_it_can_be_rolled_back(kept: World) -> None:
    decide(kept)
    day = kept.bench().calendar.last
    for step in (Step.ANALYZE, Step.DECIDE, Step.PROMOTE):
        run_step(kept.bench(), step, day)
    assert kept.aliases() == PROMOTED
    assert registry_lines(kept.bench())[0] == "Changed in the registry, against the verdict:"
    bench = kept.bench()
    assert bench.registry is not None
    promotion.rollback(bench.registry, bench.ledger, "churn", alias="champion", reason="it is slow", now=NOON)
    assert kept.aliases()["champion"] == "1"


def test_a_dry_run_only_says_what_it_would_do(kept: World) -> None:
    before = kept.store_bytes(but=())
    assert "Would do: churn version 2: tag" in decide(kept, dry_run=True)
    assert (kept.aliases(), kept.store_bytes(but=())) == (SERVED, before)


@pytest.mark.parametrize(
    ("variant", "reason", "message"),
    [
        ("treatment", " ", "needs a reason"),
        ("control", "it is safe", "'control' is no variant that can be promoted; there is treatment"),
        ("other", "it is new", "'other' is no variant"),
    ],
)
def test_what_makes_no_sense_is_refused(variant: str, reason: str, message: str, kept: World) -> None:
    with pytest.raises(LifecycleError, match=message):
        decide(kept, variant, reason=reason)
    assert kept.aliases() == SERVED


@pytest.mark.parametrize(
    ("decision", "message"), [(Decision.INVALID, "nobody can promote on it"), (Decision.NONE_YET, "no verdict yet")]
)
def test_an_invalid_or_open_result_is_not_promoted(decision: Decision, message: str, kept: World) -> None:
    kept.bench().store.keep("verdict", replace(verdict_of(kept), decision=decision))
    with pytest.raises(LifecycleError, match=message):
        decide(kept)
    assert kept.aliases() == SERVED


def test_a_harmful_version_may_be_promoted_by_whoever_says_why(kept: World) -> None:
    kept.bench().store.keep("verdict", replace(verdict_of(kept), decision=Decision.STOP, rule="V2", readout=None))
    decide(kept, reason="the old one may not be served any more")
    assert kept.aliases() == PROMOTED
    client = kept.bench().registry._client  # type: ignore[union-attr]
    assert client.get_model_version("churn", "2").tags["abflow.verdict"].startswith("stop (V2), overruled")


def test_without_a_verdict_there_is_nothing_to_decide_against(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, EQUAL)
    with pytest.raises(EvidenceMissing, match="decide"):
        decide(world)


def test_a_winner_is_approved_and_not_overruled(tmp_path: Path, registry_template: Path) -> None:
    world = world_at(tmp_path, registry_template, BETTER, promotion={"approval": "required"})
    world.run()
    with pytest.raises(LifecycleError, match="the verdict promotes 'treatment' itself"):
        decide(world)
    assert world.aliases() == SERVED


def test_a_champion_that_others_changed_is_left_alone(kept: World) -> None:
    registry = kept.bench().registry
    assert registry is not None
    registry.do((MoveAlias(model="churn", alias="champion", from_version="1", to_version=None),))
    with pytest.raises(RegistryMoved, match="is none now"):
        decide(kept)
    assert "champion" not in kept.aliases()


def test_broken_off_half_way_it_is_finished_as_it_was_said_first(kept: World, monkeypatch: pytest.MonkeyPatch) -> None:
    do = MlflowRegistry.do

    def half(self: MlflowRegistry, changes: Any) -> tuple[str, ...]:
        do(self, tuple(changes)[:-1])  # all but the alias itself
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(MlflowRegistry, "do", half)
        with pytest.raises(KeyboardInterrupt):
            decide(kept)
    assert kept.aliases() == {**SERVED, "previous_champion": "1"}
    decide(kept, reason="once more")
    assert kept.aliases() == PROMOTED
    assert kinds(kept)[-2:] == ["overruled", "promoted"]
    known = kept.bench().store.get(overruling.OVERRULING, overruling.Overruling, step="overrule")
    assert known.reason == "half the price"


def test_broken_off_after_the_alias_has_moved_it_is_finished(kept: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as half:
        half.setattr(MlflowRegistry, "tag", broken)  # the last thing before the receipt
        with pytest.raises(KeyboardInterrupt):
            decide(kept)
    assert kept.aliases() == PROMOTED
    assert not any(line.startswith("overruled:") for line in summary(kept.bench()))
    decide(kept)
    assert kinds(kept)[-2:] == ["overruled", "promoted"]
    assert any(line.startswith("overruled:") for line in summary(kept.bench()))


def test_a_readout_of_an_older_version_still_says_what_it_said(kept: World) -> None:
    """It was kept before readouts knew of the whole file; read today it has a field more, and so another hash."""
    store = kept.bench().store
    old = "".join(
        line
        for line in (store.folder / "readout.json").read_text().splitlines(keepends=True)
        if "file_sha256" not in line
    )
    sha256 = hashlib.sha256(old.encode()).hexdigest()
    for name in ("readout", f"history/readout/{sha256}"):
        store.save_text(f"{name}.json", old)
    store.keep("verdict", replace(verdict_of(kept), readout=sha256))
    assert "tag abflow.effect" in decide(kept, dry_run=True)
