"""What a bandit saves while it learns."""

from __future__ import annotations

import pytest

from abflow.errors import SpecError
from abflow.stats.bandit_regret import simulated_regret
from abflow.stats.bandit_simulation import World, play
from abflow.stats.batched_ols import BatchedDifference, batched_difference
from abflow.stats.result import Unavailable


def a_world(*means: float, days: int = 21, sd: float | None = None) -> World:
    return World(means=[means] * days, units_a_day=2_000, sd=sd)


def test_an_equal_split_loses_what_can_be_worked_out() -> None:
    # Half of 2 000 units lose .01 on each of 21 days.
    got = simulated_regret(a_world(0.05, 0.06), rule="fixed", runs=400, seed=1)
    assert got.lost_by_equal_split == pytest.approx(210)
    assert got.lost == pytest.approx(210, abs=4 * got.lost_se)
    # Units of the worse arm are binomial: variance 500 a day.
    assert got.lost_se == pytest.approx(0.01 * (21 * 500 / 400) ** 0.5, rel=0.1)
    assert got.saved == pytest.approx(0, abs=0.01)
    assert got.best_share == pytest.approx(0.5, abs=0.002)


def test_the_floor_and_the_first_day_limit_what_can_be_saved() -> None:
    # A certain winner: equal shares on day 1, then 5 % to the other arm; 1 - (1/2 + 20 (.05)) / (21/2).
    got = simulated_regret(a_world(0.0, 5.0, sd=1.0), rule="thompson", runs=200, seed=2)
    assert got.saved == pytest.approx(1 - 1.5 / 10.5, abs=0.005)
    assert got.best_share == pytest.approx((0.5 + 20 * 0.95) / 21, abs=0.002)
    assert got.worse_than_equal_split == 0


def test_weak_effects_save_a_third_and_strong_ones_three_quarters() -> None:
    weak = simulated_regret(a_world(0.05, 0.0525), rule="thompson", runs=600, seed=3)
    strong = simulated_regret(a_world(0.05, 0.06), rule="thompson", runs=600, seed=3)
    assert weak.saved == pytest.approx(0.34, abs=0.06)
    assert strong.saved == pytest.approx(0.76, abs=0.02)
    assert 0.1 < weak.worse_than_equal_split < 0.3
    assert strong.worse_than_equal_split < 0.02


def test_what_is_saved_is_paid_for_in_power() -> None:
    """The guide on bandits: 34 % against 62 % at a gain of 10 %."""
    shown = {"thompson": 0, "fixed": 0}
    for rule in shown:
        played = play(a_world(0.05, 0.055), rule=rule, runs=150, seed=2)  # type: ignore[arg-type]
        for run in range(150):
            found = batched_difference(played.batches(run), kind="proportion")
            shown[rule] += isinstance(found, BatchedDifference) and found.estimate.p_value < 0.05
    assert shown["thompson"] / 150 == pytest.approx(0.34, abs=0.13)
    assert shown["fixed"] / 150 == pytest.approx(0.62, abs=0.13)


def test_top_two_pays_for_learning() -> None:
    arms = a_world(0.05, 0.05, 0.05, 0.06)
    thompson, top_two = (simulated_regret(arms, rule=rule, runs=200, seed=4) for rule in ("thompson", "top_two"))
    assert top_two.lost > thompson.lost
    assert top_two.best_share < thompson.best_share


def test_the_best_arm_may_change_from_day_to_day() -> None:
    world = World(means=[(0.1, 0.2), (0.2, 0.1)], units_a_day=100)
    got = simulated_regret(world, rule="fixed", runs=300, seed=1)
    assert got.lost_by_equal_split == pytest.approx(10)
    assert got.best_share == pytest.approx(0.5, abs=0.02)


def test_equal_arms_leave_nothing_to_save() -> None:
    got = simulated_regret(a_world(0.05, 0.05, days=3), rule="thompson", runs=10, seed=1)
    assert got.lost == 0
    assert isinstance(got.saved, Unavailable)
    assert isinstance(got.saved_se, Unavailable)


def test_one_run_has_no_error() -> None:
    with pytest.raises(SpecError, match="1 runs"):
        simulated_regret(a_world(0.05, 0.06), rule="thompson", runs=1, seed=1)
