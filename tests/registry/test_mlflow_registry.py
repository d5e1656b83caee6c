"""The registry of a real MLflow: reading, applying a plan, racing for it."""

from __future__ import annotations

import multiprocessing
import shutil
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from abflow.errors import RegistryError, RegistryMoved
from abflow.registry.ledger import Ledger
from abflow.registry.mlflow_registry import MlflowRegistry
from abflow.registry.plan import MoveAlias, PromotionPlan, plan_promotion

RACES = 50


@pytest.fixture
def registry(tmp_path: Path, registry_template: Path) -> MlflowRegistry:
    shutil.copy(registry_template, tmp_path / "mlflow.db")
    return MlflowRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}")


def plan_for(winner: str, champion: str | None = "1", previous: str | None = None) -> PromotionPlan:
    return plan_promotion(
        experiment="race",
        model="churn",
        alias="champion",
        champion=champion,
        previous=previous,
        winner=winner,
        stages=False,
        evidence="e" * 64,
        tags={"abflow.experiment": "race"},
    )


def test_versions_are_text_whatever_the_store_returns(registry: MlflowRegistry) -> None:
    assert registry.aliases("churn") == {"champion": "1", "challenger": "2"}
    assert registry.resolve("churn", "@challenger") == "2"
    assert registry.resolve("churn", "3") == "3"
    with pytest.raises(RegistryError, match="model 'churn' has no version 9"):
        registry.resolve("churn", "9")


def test_a_plan_applied_twice_changes_something_once(registry: MlflowRegistry) -> None:
    plan = plan_for("2")
    assert registry.apply(plan) == (
        "churn version 2: tag abflow.experiment = race",
        "churn@previous_champion: none -> 1",
        "churn@champion: 1 -> 2",
    )
    assert registry.apply(plan) == ()
    assert registry.aliases("churn") == {"champion": "2", "previous_champion": "1", "challenger": "2"}


def test_a_plan_for_another_registry_is_refused_and_changes_nothing(registry: MlflowRegistry) -> None:
    registry.do((MoveAlias(model="churn", alias="champion", from_version="1", to_version="3"),))
    with pytest.raises(RegistryMoved, match="churn@champion is version 3, but the plan was made when it was 1"):
        registry.apply(plan_for("2"))
    assert registry.aliases("churn") == {"champion": "3", "challenger": "2"}


def test_the_first_champion_of_a_model_has_no_previous(registry: MlflowRegistry) -> None:
    registry.do((MoveAlias(model="churn", alias="champion", from_version="1", to_version=None),))
    registry.apply(plan_for("2", champion=None))
    assert registry.aliases("churn") == {"champion": "2", "challenger": "2"}


def _race(uri: str, ledger: Path, winner: str, gate: Barrier, answers: Queue[tuple[int, str, str]]) -> None:
    """One promoter: waits for the other, then applies its plan under the ledger's lock, race after race."""
    registry, lock = MlflowRegistry(uri), Ledger(ledger)
    registry.aliases("churn")
    for race in range(RACES):
        gate.wait()
        try:
            with lock.lock():
                registry.apply(plan_for(winner))
                lock.append("promoted", f"race-{race}", {"to": winner}, at=datetime(2026, 1, 1, tzinfo=UTC))
            answers.put((race, winner, "applied"))
        except RegistryMoved:
            answers.put((race, winner, "refused"))
        gate.wait()
        gate.wait()  # the referee puts the aliases back in between


@pytest.mark.slow
def test_of_two_racing_promoters_one_applies_and_one_is_refused(registry: MlflowRegistry, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(3), context.Queue()
    ledger = tmp_path / "ledger.jsonl"
    promoters = [
        context.Process(target=_race, args=(registry.tracking_uri, ledger, winner, gate, answers), daemon=True)
        for winner in ("2", "3")
    ]
    for promoter in promoters:
        promoter.start()
    for race in range(RACES):
        gate.wait(60)
        gate.wait(60)
        got = {answers.get(timeout=10) for _ in promoters}
        applied = [winner for number, winner, answer in got if (number, answer) == (race, "applied")]
        assert sorted(answer for _, _, answer in got) == ["applied", "refused"]
        assert registry.aliases("churn") == {"champion": applied[0], "previous_champion": "1", "challenger": "2"}
        registry.do(
            (
                MoveAlias(model="churn", alias="previous_champion", from_version="1", to_version=None),
                MoveAlias(model="churn", alias="champion", from_version=applied[0], to_version="1"),
            )
        )
        gate.wait(60)
    assert len(Ledger(ledger).entries()) == RACES
