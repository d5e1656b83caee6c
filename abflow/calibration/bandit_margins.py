"""Guardrails of a bandit: a loss of exactly the margin is called safe, or harm, as seldom as promised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abflow.calibration.study import Rate, Study, at_most, reported
from abflow.stats.bandit_simulation import World, play
from abflow.stats.batched_margins import BatchedMargin, batched_margin_bounds
from abflow.stats.batches import Kind
from abflow.stats.moments import EMPTY, Moments
from abflow.stats.noninferiority import MarginBounds, margin_bounds

ALPHA = 0.05
DAYS = 21
UNITS_A_DAY = 1_000
Floats = NDArray[np.float64]
Days = list[tuple[Moments, Moments]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guarded:
    """A metric that loses just its margin in the arm, whatever that arm does to the primary.

    Attributes:
        first: Mean of control on the first day; it changes evenly to that of the last.
        margin: The loss, in the metric's unit or as a share.
        sd: Of control, for a normal metric; None for one of 0 or 1. It does not drift.
        sd_of_arm: The same of the arm.
    """

    name: str
    first: float
    last: float
    margin: float
    relative: bool = False
    sign: Literal[1, -1] = 1
    sd: float | None = None
    sd_of_arm: float | None = None

    @property
    def kind(self) -> Kind:
        return "proportion" if self.sd is None else "mean"

    def days(self, units: NDArray[np.int64], rng: np.random.Generator) -> Iterator[Days]:
        """Both arms on each day of every run, given their units, of shape (runs, days, arms)."""
        control = np.linspace(self.first, self.last, DAYS)
        lost = self.margin * control if self.relative else np.full(DAYS, self.margin)
        mean, m2 = self._seen(units, np.stack([control, control - self.sign * lost], axis=1), rng)
        for run in range(len(units)):
            arms = [
                [
                    Moments(n=int(units[run, day, arm]), mean=float(mean[run, day, arm]), m2=float(m2[run, day, arm]))
                    for arm in (0, 1)
                ]
                for day in range(DAYS)
            ]
            yield [(control, treatment) for control, treatment in arms]

    def _seen(self, units: NDArray[np.int64], true: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Mean and centred sum of squares of every arm on every day."""
        some = np.maximum(units, 1)
        if self.sd is None:
            share = rng.binomial(units, true) / some
            return share, units * share * (1 - share)
        sd = np.array([self.sd, self.sd_of_arm or self.sd])
        mean = true + sd / np.sqrt(some) * rng.standard_normal(units.shape)
        # A chi-square with n - 1 degrees of freedom.
        return mean, sd * sd * 2 * rng.standard_gamma(np.maximum(units - 1, 0) / 2)


GUARDED = (
    _Guarded(name="rate .01, +.005", first=0.01, last=0.01, margin=0.005, sign=-1),
    _Guarded(name="rate .05 doubling, -.01", first=0.05, last=0.1, margin=0.01),
    _Guarded(name="rate .1 halving, -20 %", first=0.1, last=0.05, margin=0.2, relative=True),
    _Guarded(name="rate .4, +20 %", first=0.4, last=0.4, margin=0.2, relative=True, sign=-1),
    _Guarded(name="normal doubling, -.1", first=1, last=2, margin=0.1, sd=1),
    _Guarded(name="normal halving, -20 %", first=2, last=1, margin=0.2, relative=True, sd=1),
    _Guarded(name="normal, -20 % of mean and sd", first=1, last=1, margin=0.2, relative=True, sd=1, sd_of_arm=0.8),
)


def _losing_the_margin(runs: int, seed: int) -> tuple[Rate, ...]:
    rng = np.random.default_rng(seed)
    rates: list[Rate] = []
    for favoured, means in (("arm favoured", (0.05, 0.06)), ("control favoured", (0.06, 0.05))):
        primary = World(means=[means] * DAYS, units_a_day=UNITS_A_DAY)
        units = play(primary, rule="thompson", runs=runs, seed=seed).n.astype(np.int64)
        for guarded in GUARDED:
            safe = harmed = pooled_safe = 0
            for days in guarded.days(units, rng):
                got = _by_days(guarded, days)
                safe += got.safe
                harmed += got.harmed
                pooled_safe += _safe_when_pooled(guarded, days)
            where = f"{guarded.name}, {favoured}"
            rates += [
                at_most(f"batched OLS, {where}: safe", safe, runs, ALPHA),
                at_most(f"batched OLS, {where}: harmed", harmed, runs, ALPHA),
                reported(f"all days pooled, {where}: safe", pooled_safe, runs),
            ]
    return tuple(rates)


def _by_days(guarded: _Guarded, days: Days) -> MarginBounds:
    got = batched_margin_bounds(
        days, kind=guarded.kind, sign=guarded.sign, margin=guarded.margin, relative=guarded.relative
    )
    if not isinstance(got, BatchedMargin):
        raise TypeError(f"{guarded.name}: {got.detail}")  # a bug: every day has more than enough units
    return got.bounds


def _safe_when_pooled(guarded: _Guarded, days: Days) -> bool:
    control, treatment = (sum((day[arm] for day in days), EMPTY) for arm in (0, 1))
    got = margin_bounds(
        control,
        treatment,
        kind=guarded.kind,
        sign=guarded.sign,
        margin=guarded.margin,
        relative=guarded.relative,
    )
    return isinstance(got, MarginBounds) and got.safe


STUDIES = (
    Study(
        name="thompson-margins",
        claim="After Thompson sampling a loss of exactly the margin is called safe, or harm, at most 5 % of the time.",
        runs=5_000,
        rates=_losing_the_margin,
    ),
)
