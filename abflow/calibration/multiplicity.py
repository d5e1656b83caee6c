"""Families of tests: how often a correction lets a false find through."""

from __future__ import annotations

import math

import numpy as np

from abflow.calibration.study import Rate, Study, at_most, exactly, reported
from abflow.stats.contrast import Contrast
from abflow.stats.dunnett import dunnett
from abflow.stats.means import difference_in_means
from abflow.stats.moments import Moments
from abflow.stats.multiplicity import Correction, adjust
from abflow.stats.result import Unavailable

ALPHA = 0.05
ARMS, METRICS, UNITS = 3, 3, 1_000
# Metrics of one unit go together, and all arms share the control: the dependence of a real family.
BETWEEN_METRICS = 0.5
# Where half is true: with this effect a comparison alone is found nearly always.
TRUE_EFFECT = 0.2
FAMILYWISE: tuple[Correction, ...] = ("holm", "hochberg", "bonferroni", "sidak")
FALSE_SHARE: tuple[Correction, ...] = ("benjamini_hochberg", "benjamini_yekutieli")


def _corrections(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    rates = []
    for world, is_true in (("all null", []), ("half null", [0, 2, 4, 6])):
        p_values = [_family(rng, is_true) for _ in range(runs)]
        null = [index for index in range(ARMS * METRICS) if index not in is_true]
        for correction in FAMILYWISE:
            adjusted = [adjust(p, correction) for p in p_values]
            false = sum(any(p[index] < ALPHA for index in null) for p in adjusted)
            rates.append(at_most(f"{correction}, {world}: any false find", false, runs, ALPHA))
            if is_true:
                found = sum(p[is_true[0]] < ALPHA for p in adjusted)
                rates.append(reported(f"{correction}, {world}: a true effect found", found, runs))
        for correction in FALSE_SHARE:
            false = sum(_one_find_is_false(rng, adjust(p, correction), null) for p in p_values)
            rates.append(at_most(f"{correction}, {world}: false share of the finds", false, runs, ALPHA))
        uncorrected = sum(any(p[index] < ALPHA for index in null) for p in p_values)
        rates.append(reported(f"no correction, {world}: any false find", uncorrected, runs))
    return tuple(rates)


def _family(rng: np.random.Generator, is_true: list[int]) -> list[float]:
    """P-values of three arms on three metrics; those in `is_true` have an effect."""
    shared = rng.normal(size=(ARMS + 1, 1))
    noise = math.sqrt(BETWEEN_METRICS) * shared + math.sqrt(1 - BETWEEN_METRICS) * rng.normal(size=(ARMS + 1, METRICS))
    means = noise / math.sqrt(UNITS)
    m2 = rng.chisquare(UNITS - 1, size=(ARMS + 1, METRICS))
    for index in is_true:
        means[1 + index // METRICS, index % METRICS] += TRUE_EFFECT
    found = [
        difference_in_means(
            Moments(n=UNITS, mean=float(means[0, metric]), m2=float(m2[0, metric])),
            Moments(n=UNITS, mean=float(means[arm, metric]), m2=float(m2[arm, metric])),
        )
        for arm in range(1, ARMS + 1)
        for metric in range(METRICS)
    ]
    return [1.0 if isinstance(estimate, Unavailable) else estimate.p_value for estimate in found]


def _one_find_is_false(rng: np.random.Generator, adjusted: tuple[float, ...], null: list[int]) -> bool:
    """Whether one find, picked at random, is false: this happens as often as the expected false share says."""
    finds = [index for index, p in enumerate(adjusted) if p < ALPHA]
    return bool(finds) and finds[int(rng.integers(len(finds)))] in null


def _many_arms(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    rates = []
    for world, sizes, sds in (
        ("a large control, small arms", (2_000, 300, 500, 200), (1.0, 1.0, 1.0, 1.0)),
        ("unequal spreads", (500, 500, 500, 500), (1.0, 3.0, 0.5, 1.0)),
    ):
        any_false = 0
        for _ in range(runs):
            effects = dunnett(_contrasts(rng, sizes, sds))
            any_false += not isinstance(effects, Unavailable) and any(one.p_value < ALPHA for one in effects.values())
        rates.append(exactly(f"dunnett, {world}: any false find", any_false, runs, ALPHA))
    return tuple(rates)


def _contrasts(rng: np.random.Generator, sizes: tuple[int, ...], sds: tuple[float, ...]) -> dict[int, Contrast]:
    """Three arms without any effect, and their control."""
    of_mean = [sd * sd * float(rng.chisquare(n - 1)) / (n - 1) / n for n, sd in zip(sizes, sds, strict=True)]
    means = [float(rng.normal()) * sd / math.sqrt(n) for n, sd in zip(sizes, sds, strict=True)]
    return {
        arm: Contrast(
            value=means[arm] - means[0],
            var_control=of_mean[0],
            var_treatment=of_mean[arm],
            n_control=sizes[0],
            n_treatment=sizes[arm],
        )
        for arm in range(1, len(sizes))
    }


STUDIES = (
    Study(
        name="corrections",
        claim="Three arms on three metrics yield a false find at most one time in twenty after every correction.",
        runs=10_000,
        rates=_corrections,
    ),
    Study(
        name="many-arms",
        claim="Three arms against one control yield a false find one time in twenty by Dunnett's test, exactly.",
        runs=4_000,
        rates=_many_arms,
    ),
)
