from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from abflow.registry.plan import MoveAlias, PromotionPlan, SetStage, SetTag, describe, plan_promotion


def plan(**more: Any) -> PromotionPlan:
    decided: dict[str, Any] = {
        "experiment": "churn_v3",
        "model": "churn",
        "alias": "champion",
        "champion": "3",
        "previous": "2",
        "winner": "4",
        "stages": False,
        "evidence": "e" * 64,
        "tags": {"abflow.verdict": "promote", "abflow.effect": "+2.1 %"},
    }
    return plan_promotion(**(decided | more))


def lines(made: PromotionPlan) -> list[str]:
    return [describe(change) for change in made.changes]


def test_a_promotion_tags_remembers_the_champion_and_moves_the_alias_last() -> None:
    made = plan()
    assert made.changes == (
        SetTag(model="churn", version="4", key="abflow.effect", value="+2.1 %"),
        SetTag(model="churn", version="4", key="abflow.verdict", value="promote"),
        MoveAlias(model="churn", alias="previous_champion", from_version="2", to_version="3"),
        MoveAlias(model="churn", alias="champion", from_version="3", to_version="4"),
    )
    assert (made.assumes, made.promotes) == ("3", "4")


def test_every_change_is_a_line_that_a_person_can_approve() -> None:
    assert lines(plan(stages=True, previous=None)) == [
        "churn version 4: tag abflow.effect = +2.1 %",
        "churn version 4: tag abflow.verdict = promote",
        "churn@previous_champion: none -> 3",
        "churn version 3: stage Archived",
        "churn version 4: stage Production",
        "churn@champion: 3 -> 4",
    ]
    assert describe(MoveAlias(model="churn", alias="champion", from_version="4", to_version=None)) == (
        "churn@champion: 4 -> none"
    )


def test_the_first_champion_replaces_nobody() -> None:
    made = plan(champion=None, previous=None, stages=True, tags={})
    assert lines(made) == ["churn version 4: stage Production", "churn@champion: none -> 4"]
    assert made.assumes is None


def test_a_winner_that_serves_already_keeps_the_previous_champion() -> None:
    made = plan(champion="4", stages=True)
    assert not [change for change in made.changes if isinstance(change, MoveAlias)]
    assert SetStage(model="churn", version="4", stage="Archived") not in made.changes
    assert len(made.changes) == 3


@pytest.mark.parametrize(
    "other",
    [
        {"winner": "5"},
        {"champion": "1"},
        {"previous": None},
        {"evidence": "f" * 64},
        {"stages": True},
        {"experiment": "churn_v4"},
        {"alias": "production"},
        {"tags": {"abflow.verdict": "promote", "abflow.effect": "+2.2 %"}},
    ],
)
def test_an_approval_is_for_this_plan_only(other: dict[str, Any]) -> None:
    assert plan(**other).sha256 != plan().sha256


def test_the_same_decision_makes_the_same_plan() -> None:
    again = plan(tags={"abflow.effect": "+2.1 %", "abflow.verdict": "promote"})  # the order of tags says nothing
    assert again == plan()
    assert again.sha256 == plan().sha256
    assert replace(again, changes=again.changes[::-1]).sha256 != plan().sha256  # the order of changes does
