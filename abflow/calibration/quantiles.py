"""Quantiles of rows within units: coverage of their intervals, level of their test and of their margins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from abflow.calibration.study import Rate, Study, between, exactly, reported
from abflow.stats.log_histogram import LogHistogram, log_histogram_of
from abflow.stats.quantile_interval import quantile_of_arm
from abflow.stats.quantile_margins import quantile_margin_bounds
from abflow.stats.quantile_rows import CutPoints, QuantileRows, cut_points, quantile_rows_of, rows_at_or_below
from abflow.stats.quantiles import difference_in_quantiles, relative_quantile_lift
from abflow.stats.result import Estimate, Unavailable

_ALPHA = 0.05
# Woodruff's intervals lean on the rows around a quantile, and those beyond a P99 are few.
_COVERED = (0.935, 0.96)
_SLOWER = 1.1  # the treatment's latency over the control's where there is an effect


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Lognormal latencies, half of whose log variance is the unit's own.

    Attributes:
        units: Per arm.
        rows: Fewest and most rows per unit.
        levels: Quantiles to look at.
        ratio: The treatment's latency over the control's.
        judged: Whether the sample is large enough for the levels; otherwise its rates are only shown.
    """

    units: int
    rows: tuple[int, int]
    levels: tuple[float, ...] = (0.5, 0.95, 0.99)
    ratio: float = 1.0
    judged: bool = True

    @property
    def name(self) -> str:
        """For the reader of a rate."""
        low, high = self.rows
        rows = "1 row" if high == 1 else f"{high} rows" if low == high else f"{low} to {high} rows"
        arms = "equal arms" if self.ratio == 1 else f"treatment {self.ratio - 1:.0%} slower"
        return f"{self.units} units of {rows}, {arms}"

    def experiments(self, rng: np.random.Generator, runs: int) -> Iterator[tuple[Arm, Arm]]:
        """Control and treatment of every run."""
        for _ in range(runs):
            control, (unit, latency) = self._arm(rng), self._arm(rng)
            yield control, (unit, self.ratio * latency)

    def _arm(self, rng: np.random.Generator) -> Arm:
        low, high = self.rows
        unit = np.repeat(np.arange(self.units), rng.integers(low, high + 1, size=self.units))
        own, rest = rng.normal(size=self.units), rng.normal(size=unit.size)
        return unit, np.exp(math.sqrt(0.5) * (own[unit] + rest))


Arm = tuple[NDArray[np.int64], NDArray[np.float64]]

WORLDS = (
    # Ten thousand requests, each its own unit, leave 100 beyond a P99; a thousand users leave about 255.
    World(units=10_000, rows=(1, 1)),
    World(units=1_000, rows=(1, 50)),
    World(units=1_000, rows=(1, 20), levels=(0.95,), ratio=_SLOWER),
    World(units=100, rows=(10, 10), levels=(0.95,)),
    # Ten rows beyond the quantile, and independent ones: the combined interval is too wide.
    World(units=1_000, rows=(1, 1), levels=(0.99,), judged=False),
)


def _differences(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    rates: list[Rate] = []
    for world in WORLDS:
        rejected, covered, covered_lift = (dict.fromkeys(world.levels, 0) for _ in range(3))
        effect = world.ratio - 1
        for control, treatment in world.experiments(rng, runs):
            for q, rows in _passes(control, treatment, world.levels):
                difference = difference_in_quantiles(*rows, q)
                rejected[q] += isinstance(difference, Estimate) and difference.p_value < _ALPHA
                covered[q] += _covers(difference, effect * _quantile(q))
                covered_lift[q] += _covers(relative_quantile_lift(*rows, q), effect)
        for q in world.levels:
            what = f"P{100 * q:g}, {world.name}"
            for which, hits in (("difference", covered[q]), ("lift", covered_lift[q])):
                said = f"{what}: {which} covered"
                rates.append(between(said, hits, runs, *_COVERED) if world.judged else reported(said, hits, runs))
            if effect == 0:
                said = f"{what}: rejected"
                null = rejected[q]
                rates.append(exactly(said, null, runs, _ALPHA) if world.judged else reported(said, null, runs))
    return tuple(rates)


def _covers(got: Estimate | Unavailable, truth: float) -> bool:
    return isinstance(got, Estimate) and got.lower <= truth <= got.upper


def _quantile(q: float) -> float:
    """The control's true quantile."""
    return math.exp(NormalDist().inv_cdf(q))


def _passes(
    control: Arm, treatment: Arm, levels: tuple[float, ...]
) -> Iterator[tuple[float, tuple[QuantileRows, QuantileRows]]]:
    """Both passes at every level; the histograms are made once."""
    of_control, of_treatment = (log_histogram_of(latency) for _, latency in (control, treatment))
    for q in levels:
        cuts = cut_points([of_control, of_treatment], q)
        assert isinstance(cuts, CutPoints)  # noqa: S101  every arm has rows
        yield (
            q,
            (
                _second_pass(control, of_control, cuts.own[0], cuts.pooled),
                _second_pass(treatment, of_treatment, cuts.own[1], cuts.pooled),
            ),
        )


def _second_pass(arm: Arm, histogram: LogHistogram, own: float, pooled: float) -> QuantileRows:
    return QuantileRows(
        histogram=histogram, at_own=rows_at_or_below(*arm, own), at_pooled=rows_at_or_below(*arm, pooled)
    )


def _margins(runs: int, seed: int) -> tuple[Rate, ...]:
    """The treatment is slower by exactly the margin, so that to call it safe is the error."""
    rng = np.random.default_rng(seed)
    q, world = 0.95, World(units=500, rows=(1, 20), levels=(0.95,), ratio=_SLOWER)
    margin = _SLOWER - 1
    relative = absolute = 0
    for arms in world.experiments(rng, runs):
        for _, rows in _passes(*arms, world.levels):
            got = quantile_margin_bounds(*rows, q, sign=-1, margin=margin, relative=True)
            relative += not isinstance(got, Unavailable) and got.safe
            got = quantile_margin_bounds(*rows, q, sign=-1, margin=margin * _quantile(q), relative=False)
            absolute += not isinstance(got, Unavailable) and got.safe
    low, high = (1 - covered for covered in reversed(_COVERED))
    return (
        between(f"P95, {world.name}, relative margin: safe", relative, runs, low, high),
        between(f"P95, {world.name}, absolute margin: safe", absolute, runs, low, high),
    )


def _rows_as_units(runs: int, seed: int) -> tuple[Rate, ...]:
    """The interval of a P95 when ten rows of each unit are taken as ten units: why the unit is the cluster."""
    rng = np.random.default_rng(seed)
    q, units, rows = 0.95, 500, 10
    spread = math.sqrt(0.9), math.sqrt(0.1)
    truth = _quantile(q)
    by_unit = by_row = 0
    for _ in range(runs):
        logs = spread[0] * rng.normal(size=(units, 1)) + spread[1] * rng.normal(size=(units, rows))
        values = np.exp(logs).ravel()
        by_unit += _arm_holds(np.repeat(np.arange(units), rows), values, q, truth)
        by_row += _arm_holds(np.arange(values.size), values, q, truth)
    what = f"P95, {units} units of {rows} rows"
    return (
        between(f"{what}: one arm's quantile covered", by_unit, runs, *_COVERED),
        reported(f"{what}: the same with rows taken as units", by_row, runs),
    )


def _arm_holds(unit: NDArray[np.int64], values: NDArray[np.float64], q: float, truth: float) -> bool:
    rows = quantile_rows_of([(unit, values)], q)
    assert not isinstance(rows, Unavailable)  # noqa: S101  the arm has rows
    got = quantile_of_arm(rows[0], q)
    return not isinstance(got, Unavailable) and got.lower <= truth <= got.upper


STUDIES = (
    Study(
        name="quantile-difference",
        claim="The interval of a difference of quantiles covers 93.5 to 96 %; its test rejects 5 % of A/A tests.",
        runs=5_000,
        rates=_differences,
    ),
    Study(
        name="quantile-margin",
        claim="A P95 slower by exactly the margin is called safe 4 to 6.5 % of the time.",
        runs=5_000,
        rates=_margins,
    ),
    Study(
        name="quantile-rows",
        claim="An arm's interval covers its P95 with the unit as cluster, and about half the time without.",
        runs=5_000,
        rates=_rows_as_units,
    ),
)
