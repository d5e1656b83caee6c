"""Tests that are read once: how often they reject equal arms, miss the truth, or call a loss safe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from abflow.calibration.metric_worlds import WORLDS, World
from abflow.calibration.study import Rate, Study, at_least, at_most, exactly, reported
from abflow.stats.noninferiority import margin_bounds
from abflow.stats.result import Estimate, Unavailable
from abflow.stats.risk_ratio import risk_ratio

UNITS = (100, 10_000)
ALPHA = 0.05
LIFT = 0.1  # relative: the effect whose interval is checked, and the loss that is the margin

# Two hundred units leave a test of rates 201 possible differences. Added up over all tables at a rate of a half, the
# z test's level is .0560, Newcombe's interval covers .9440 and the bounds of a margin err .0521: on so coarse a
# grid nothing hits .05 itself.
COARSE_LEVEL, COARSE_COVERAGE, COARSE_MARGIN_ERROR = 0.056, 0.944, 0.0521
# With a tenth less in the treatment the arms' skewness does not cancel on one side: .0538 with 300 buyers per arm
# (150 000 runs), .0532 for the ratio of a hundred units (100 000 runs).
SKEWED_MARGIN_ERROR = 0.0538

Hit = Callable[[World[Any], Any, Any], bool]


def _rejections(runs: int, seed: int) -> tuple[Rate, ...]:
    def rejected(world: World[Any], control: Any, treatment: Any) -> bool:
        estimate = world.compare(control, treatment)
        return isinstance(estimate, Estimate) and estimate.p_value < ALPHA

    rates = []
    for world, n, (hits,) in _counted([rejected], runs, seed, lift=0.0):
        what = f"{world.name}, {n} units per arm: equal arms rejected"
        if n >= world.normal_from:
            rates.append(exactly(what, hits, runs, ALPHA))
        elif world.kind == "proportion":
            rates.append(at_most(what, hits, runs, COARSE_LEVEL))
        else:
            rates.append(reported(what, hits, runs))
    return tuple(rates)


def _coverage(runs: int, seed: int) -> tuple[Rate, ...]:
    rates = []
    for lift in (0.0, LIFT):
        for world, n, (hits,) in _counted([_covers(lift)], runs, seed, lift=lift):
            what = f"{world.name}, {n} units per arm, true lift {lift:.0%}: covered"
            if n >= world.normal_from:
                rates.append(exactly(what, hits, runs, 1 - ALPHA))
            elif world.kind == "proportion":
                rates.append(at_least(what, hits, runs, COARSE_COVERAGE))
            else:
                rates.append(reported(what, hits, runs))
    return tuple(rates)


def _covers(lift: float) -> Hit:
    def covered(world: World[Any], control: Any, treatment: Any) -> bool:
        estimate = world.compare(control, treatment)
        # An interval that is refused, as when no unit has the event, says nothing false.
        return isinstance(estimate, Unavailable) or estimate.lower <= lift * world.mean <= estimate.upper

    return covered


def _margins(runs: int, seed: int) -> tuple[Rate, ...]:
    rates = []
    questions = [_called_safe(relative=False), _called_safe(relative=True)]
    for world, n, counts in _counted(questions, runs, seed, lift=-LIFT):
        for margin, hits in zip(("absolute", "relative"), counts, strict=True):
            what = f"{world.name}, {n} units per arm, a loss of the {margin} margin: called safe"
            if n >= world.one_sided_from:
                rates.append(exactly(what, hits, runs, ALPHA))
            elif n >= world.normal_from:
                rates.append(at_most(what, hits, runs, SKEWED_MARGIN_ERROR))
            elif world.kind == "proportion":
                rates.append(at_most(what, hits, runs, COARSE_MARGIN_ERROR))
            else:
                rates.append(reported(what, hits, runs))
    return tuple(rates)


def _called_safe(*, relative: bool) -> Hit:
    def safe(world: World[Any], control: Any, treatment: Any) -> bool:
        bounds = margin_bounds(
            world.linear(control),
            world.linear(treatment),
            kind=world.kind,
            sign=1,
            margin=-LIFT if relative else -LIFT * world.mean,
            relative=relative,
        )
        return not isinstance(bounds, Unavailable) and bounds.safe

    return safe


def _risk_ratios(runs: int, seed: int) -> tuple[Rate, ...]:
    def covered(_: World[Any], control: Any, treatment: Any) -> bool:
        ratio = risk_ratio(control, treatment)
        return isinstance(ratio, Unavailable) or ratio.interval[0] <= 1 + LIFT <= ratio.interval[1]

    rates = []
    for world, n, (hits,) in _counted([covered], runs, seed, lift=LIFT, kinds=("proportion",)):
        what = f"risk ratio, {world.name}, {n} units per arm, true ratio {1 + LIFT:g}: covered"
        judged = exactly if n >= world.normal_from else at_least
        rates.append(judged(what, hits, runs, 1 - ALPHA if n >= world.normal_from else COARSE_COVERAGE))
    return tuple(rates)


def _counted(
    questions: Sequence[Hit], runs: int, seed: int, *, lift: float, kinds: tuple[str, ...] = ("proportion", "mean")
) -> Iterator[tuple[World[Any], int, list[int]]]:
    """In how many runs of every world and size the answer to each question was yes."""
    rng = np.random.default_rng(seed)
    for n in UNITS:
        for world in WORLDS:
            if world.kind in kinds:
                counts = [0] * len(questions)
                for control, treatment, times in world.pairs(rng, n, runs, lift):
                    for index, hit in enumerate(questions):
                        counts[index] += times * hit(world, control, treatment)
                yield world, n, counts


STUDIES = (
    Study(
        name="fixed-horizon-rejections",
        claim="Equal arms are told apart one time in twenty by every test; with small counts at most so often.",
        runs=20_000,
        rates=_rejections,
    ),
    Study(
        name="fixed-horizon-coverage",
        claim="An interval of 95 % holds the true difference 95 times in a hundred, with and without an effect.",
        runs=20_000,
        rates=_coverage,
    ),
    Study(
        name="non-inferiority",
        claim="A loss of exactly the margin is called safe one time in twenty, the margin absolute or relative.",
        runs=20_000,
        rates=_margins,
    ),
    Study(
        name="risk-ratio-coverage",
        claim="A risk ratio's interval of 95 % holds the true ratio 95 times in a hundred.",
        runs=20_000,
        rates=_risk_ratios,
    ),
)
