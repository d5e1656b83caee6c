"""Playing an allocation rule in a world whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from abflow.errors import SpecError
from abflow.stats.bandit_simulation import World, _merged, play
from abflow.stats.moments import EMPTY, moments_of

FLAT = World(means=[(0.1, 0.2)] * 5, units_a_day=400)


@pytest.mark.parametrize("sd", [None, 2.0])
def test_rewards_have_the_mean_and_spread_of_their_world(sd: float | None) -> None:
    world = World(means=[(0.1, 0.2), (0.3, 0.6)], units_a_day=400, sd=sd)
    played = play(world, rule="fixed", runs=2_000, seed=1)
    means = np.array(world.means)
    variance = means * (1 - means) if sd is None else np.full((2, 2), sd * sd)
    assert played.n.sum(axis=2) == pytest.approx(np.full((2_000, 2), 400.0))
    noise = np.sqrt(variance / played.n.sum(axis=0))
    assert np.abs((np.sum(played.n * played.mean, axis=0) / played.n.sum(axis=0) - means) / noise).max() < 4
    assert np.sum(played.m2, axis=0) / np.sum(played.n - 1, axis=0) == pytest.approx(variance, rel=0.02)


def test_shares_change_only_after_a_hundred_units_per_arm() -> None:
    # 150 units a day: no arm has 100 units on the first night, both have them on the second.
    world = World(means=[(0.1, 0.9)] * 3, units_a_day=150)
    played = play(world, rule="thompson", runs=500, seed=3)
    shares = played.n.mean(axis=0)[:, 1] / 150
    assert shares == pytest.approx([0.5, 0.5, 0.95], abs=0.02)


def test_a_floor_of_half_is_a_fixed_split() -> None:
    played = play(FLAT, rule="thompson", runs=300, seed=3, floor=0.5)
    assert played.n.mean(axis=(0, 1)) == pytest.approx([200, 200], abs=1)


def test_the_same_seed_plays_the_same_days() -> None:
    first, again, other = (play(FLAT, rule="top_two", runs=20, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.m2, again.m2)
    assert not np.array_equal(first.m2, other.m2)


def test_batches_are_the_moments_of_one_run() -> None:
    played = play(FLAT, rule="thompson", runs=4, seed=8)
    batches = played.batches(2)
    assert len(batches) == 5
    control, treatment = batches[3]
    assert (control.n, treatment.n) == tuple(played.n[2, 3])
    assert treatment.mean == played.mean[2, 3, 1]
    assert control.m2 == pytest.approx(control.n * control.mean * (1 - control.mean))


def test_what_is_known_each_night_is_what_moments_add_up_to() -> None:
    left, right = moments_of([1.0, 5.0, 9.0]), moments_of([2.0, 2.5])
    columns = [np.array([[[arm.n]], [[arm.mean]], [[arm.m2]]]) for arm in (left, right, EMPTY)]
    both = left + right
    assert _merged(columns[0], columns[1]).ravel() == pytest.approx([both.n, both.mean, both.m2])
    assert np.array_equal(_merged(columns[0], columns[2]), columns[0])
    assert np.array_equal(_merged(columns[2], columns[2]), columns[2])


def test_an_arm_without_units_has_no_rewards() -> None:
    played = play(World(means=[(0.5, 0.5)] * 4, units_a_day=1, sd=1.0), rule="thompson", runs=50, seed=1)
    assert np.all(played.mean[played.n == 0] == 0)
    assert np.all(played.m2 == 0)


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ({"means": [(0.1,)], "units_a_day": 5}, "two arms"),
        ({"means": [(0.1, float("nan"))], "units_a_day": 5}, "finite"),
        ({"means": [(0.1, 1.2)], "units_a_day": 5}, "between 0 and 1"),
        ({"means": [(0.1, 0.2)], "units_a_day": 0}, "above 0"),
        ({"means": [(0.1, 0.2)], "units_a_day": 5, "sd": -1.0}, "above 0"),
        ({"means": [(0.1, 0.2)], "units_a_day": float("nan")}, "above 0"),
        ({"means": [(0.1, 0.2)], "units_a_day": 5, "sd": float("nan")}, "finite"),
    ],
)
def test_impossible_worlds_are_refused(world: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        World(**world)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("floor", [-0.1, 1.0, np.nan])
def test_a_floor_that_is_no_share_is_refused(floor: float) -> None:
    with pytest.raises(SpecError, match="not a share below 1"):
        play(World(means=[(0.1, 0.2)] * 3, units_a_day=1_000), rule="thompson", runs=2, seed=1, floor=floor)
