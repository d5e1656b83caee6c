"""Tests that are looked at many times: how often they err, and whether their intervals hold."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abflow.calibration.study import Rate, Study, at_most, exactly, reported
from abflow.errors import SpecError
from abflow.stats.confidence_sequence import SequenceBounds, sequence_bounds
from abflow.stats.group_sequential import Look, evenly, naive_error, next_look
from abflow.stats.normal_mixture import always_valid_estimate, mixing_sd
from abflow.stats.result import Estimate
from abflow.stats.sprt import SprtReading, sprt_reading
from abflow.stats.stagewise import stagewise_p_value
from abflow.stats.tails import normal_isf

ALPHA, POWER = 0.05, 0.80
# Mean Z of a fixed test that finds the effect planned for.
PLANNED_DRIFT = normal_isf(ALPHA / 2) + normal_isf(1 - POWER)
# Looks at two equal conversion rates, with so many new units per arm at each.
LOOKS, UNITS_PER_LOOK, RATE = 100, 100, 0.10
# The mixture is tuned to the error that such a test has at its end.
MIXING_SD = mixing_sd(math.sqrt(2 * RATE * (1 - RATE) / (LOOKS * UNITS_PER_LOOK)), alpha=ALPHA)
SCHEDULES = {
    "2 looks": evenly(2),
    "3 looks": evenly(3),
    "4 looks": evenly(4),
    "5 looks": evenly(5),
    "4 uneven looks": (0.2, 0.3, 0.85, 1.0),
    "3 looks and an over-run of 30 %": (0.4, 0.8, 1.3),
    "3 looks that stop at 90 % of the plan": (0.3, 0.6, 0.9),
}


def group_sequential(runs: int, seed: int) -> tuple[Rate, ...]:
    """False positives at bounds taken one look after the other."""
    rng, rates = np.random.default_rng(seed), []
    for name, fractions in SCHEDULES.items():
        looks = _looks(fractions)
        bounds = np.array([look.bound for look in looks])
        rejected = np.abs(_paths(fractions, drift=0.0, runs=runs, rng=rng)) >= bounds
        rates.append(exactly(f"{name}: rejected without an effect", rejected.any(axis=1).sum(), runs, ALPHA))
    return tuple(rates)


def _looks(fractions: Sequence[float]) -> tuple[Look, ...]:
    looks: tuple[Look, ...] = ()
    for number, fraction in enumerate(fractions, start=1):
        look = next_look(looks, fraction, alpha=ALPHA, last=number == len(fractions))
        if not isinstance(look, Look):
            raise SpecError(f"the schedule {tuple(fractions)} has no look at {fraction:g}: {look.detail}")
        looks = (*looks, look)
    return looks


def _paths(fractions: Sequence[float], *, drift: float, runs: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Z at every look, shape (runs, looks); `drift` is its mean at information 1."""
    information = np.asarray(fractions)
    steps = np.diff(information, prepend=0.0)
    score = rng.normal(drift * steps, np.sqrt(steps), size=(runs, len(steps))).cumsum(axis=1)
    z: NDArray[np.float64] = score / np.sqrt(information)
    return z


def stagewise(runs: int, seed: int) -> tuple[Rate, ...]:
    """Coverage of the interval at the look that ended the test."""
    rng, rates = np.random.default_rng(seed), []
    fractions = SCHEDULES["3 looks and an over-run of 30 %"]
    looks = _looks(fractions)
    for what, drift in (("no effect", 0.0), ("the effect planned for", PLANNED_DRIFT)):
        covered = naive = 0
        for path in _paths(fractions, drift=drift, runs=runs, rng=rng):
            stop = next((k for k, look in enumerate(looks) if look.crossed(path[k])), len(looks) - 1)
            se = 1 / math.sqrt(fractions[stop])
            p = stagewise_p_value(float(path[stop]) * se, se, looks=looks[: stop + 1], effect=drift)
            covered += isinstance(p, float) and p >= ALPHA
            naive += abs(path[stop] - drift / se) <= normal_isf(ALPHA / 2)
        rates.append(exactly(f"stage-wise interval, {what}: holds it", covered, runs, 1 - ALPHA))
        rates.append(reported(f"plain interval at the stopping look, {what}: holds it", naive, runs))
    return tuple(rates)


def confidence_sequence(runs: int, seed: int) -> tuple[Rate, ...]:
    """A hundred looks at two equal conversion rates of 10 %, 100 new units per arm at each."""
    units = UNITS_PER_LOOK * np.arange(1, LOOKS + 1)
    rng = np.random.default_rng(seed)
    wrong = {"two-sided": 0, "one-sided": 0, "mixture": 0, "plain": 0}
    for _ in range(runs):
        counts = rng.binomial(UNITS_PER_LOOK, RATE, size=(2, LOOKS)).cumsum(axis=1)
        shares = counts / units
        effects, ses = shares[1] - shares[0], np.sqrt((shares * (1 - shares) / (units - 1)).sum(axis=0))
        by_sequence, p_value = _ever_wrong(effects.tolist(), ses.tolist(), counts.sum(axis=0).tolist())
        wrong["two-sided"] += by_sequence[0]
        wrong["one-sided"] += by_sequence[1]
        wrong["mixture"] += p_value < ALPHA
        wrong["plain"] += bool((np.abs(effects / ses)[9::10] > normal_isf(ALPHA / 2)).any())
    return (
        at_most("confidence sequence: ever leaves 0 out", wrong["two-sided"], runs, ALPHA),
        at_most("one-sided confidence sequence: ever above 0", wrong["one-sided"], runs, ALPHA),
        at_most("mixture test (mSPRT): p-value ever below 0.05", wrong["mixture"], runs, ALPHA),
        exactly("plain test at 10 of the looks: ever rejects", wrong["plain"], runs, naive_error(10, alpha=ALPHA)),
    )


def _ever_wrong(
    effects: Sequence[float], ses: Sequence[float], events: Sequence[int]
) -> tuple[tuple[bool, bool], float]:
    """Whether the two-sided and the one-sided sequence ever left out an effect of 0, and the last p-value."""
    left_out = above = False
    p_value, planned = 1.0, 2 * LOOKS * UNITS_PER_LOOK
    for look, (effect, se, nonzero) in enumerate(zip(effects, ses, events, strict=True), start=1):
        units = (look * UNITS_PER_LOOK, look * UNITS_PER_LOOK)
        bounds = sequence_bounds(effect, se, units=units, nonzero=nonzero, planned=planned, alpha=ALPHA)
        if isinstance(bounds, SequenceBounds):
            left_out |= not bounds.two_sided[0] <= 0 <= bounds.two_sided[1]
            above |= bounds.lower > 0
        read = always_valid_estimate(effect, se, sd=MIXING_SD, p_before=p_value)
        p_value = read.p_value if isinstance(read, Estimate) else p_value
    return (left_out, above), p_value


def truncated_sprt(runs: int, seed: int) -> tuple[Rate, ...]:
    """Three weeks of daily looks with 1.6 times the units of a fixed test."""
    fractions = evenly(21)
    drift = math.sqrt(1.6) * PLANNED_DRIFT
    rng = np.random.default_rng(seed)
    won = {truth: _words(_paths(fractions, drift=truth * drift, runs=runs, rng=rng), drift) for truth in (-1, 0, 1)}
    return (
        at_most("truncated sprt, no effect: better", won[0].count("better"), runs, ALPHA / 2),
        at_most("truncated sprt, no effect: worse", won[0].count("worse"), runs, ALPHA / 2),
        at_most("truncated sprt, effect of -mde: better", won[-1].count("better"), runs, 0.0005),
        at_most("truncated sprt, effect of mde: mde excluded", won[1].count("mde_excluded"), runs, 1 - POWER),
        reported("truncated sprt, effect of mde: better", won[1].count("better"), runs),
    )


def _words(z: NDArray[np.float64], drift: float) -> list[str]:
    """What ended each run first, or that nothing did; effects are in units of the error at the last look."""
    ses = [1 / math.sqrt(fraction) for fraction in evenly(z.shape[1])]
    words = []
    for path in z.tolist():
        word = "nothing"
        for at_look, se in zip(path, ses, strict=True):
            read = sprt_reading(at_look * se, se, mde=drift, alpha=ALPHA, beta=1 - POWER)
            if isinstance(read, SprtReading) and read.crossed is not None:
                word = read.crossed
                break
        words.append(word)
    return words


STUDIES = (
    Study(
        name="group-sequential",
        claim="At 2 to 5 looks, even, uneven, over-run or cut short, 5 % of equal versions are called different.",
        runs=20_000,
        rates=group_sequential,
    ),
    Study(
        name="stage-wise",
        claim="The interval at the look that ended a group-sequential test holds the true effect 95 times in 100.",
        runs=20_000,
        rates=stagewise,
    ),
    Study(
        name="confidence-sequence",
        claim="A hundred looks through a confidence sequence find a difference that is not there at most 5 % of the "
        "time, and ten looks at a plain test 19.34 %.",
        runs=5_000,
        rates=confidence_sequence,
    ),
    Study(
        name="truncated-sprt",
        claim="Three weeks of daily looks call an equal version better at most 2.5 % of the time.",
        runs=10_000,
        rates=truncated_sprt,
    ),
)
