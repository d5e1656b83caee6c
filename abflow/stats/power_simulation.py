"""Power by playing the experiment through: the experiment's own units, its own test, and an effect put in by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError, SpecError
from abflow.stats.intervals import clopper_pearson_lower, clopper_pearson_upper
from abflow.stats.moments import Moments
from abflow.stats.result import Unavailable, UnavailableReason

Values = NDArray[np.float64]
Arms = dict[str, dict[str, Values]]  # by arm, then by metric: one row per unit
Effect = Callable[[Values, np.random.Generator], Values]
Drawn = TypeVar("Drawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPower:
    """How often the test gave the answer asked for.

    Attributes:
        power: Share of the runs.
        lower: Lower end of its exact 95 % interval, which is the error of so many runs.
        upper: Upper end of the same.
        hits: Runs that gave the answer.
        runs: Runs in all.
    """

    power: float
    lower: float
    upper: float
    hits: int
    runs: int


def simulate_power(
    draw: Callable[[np.random.Generator], Drawn], answers: Callable[[Drawn], bool], *, runs: int, seed: int
) -> SimulatedPower:
    """Draw the experiment again and again, and count how often its test gives the answer asked for.

    Args:
        draw: One experiment, such as `split_units` makes.
        answers: The experiment's real test: whether it gave the answer.
        runs: Experiments to draw.
        seed: The same seed, the same count.

    Raises:
        SpecError: There is no run.

    References:
        Clopper, Pearson (1934), Biometrika 26, 404-413, for the error of so many runs.
    """
    if runs < 1:
        raise SpecError(f"{runs} runs give no power; 1000 know it to 3 points")
    rng = np.random.default_rng(seed)
    hits = sum(bool(answers(draw(rng))) for _ in range(runs))
    lower, upper = (
        clopper_pearson_lower(hits, runs, confidence=0.975),
        clopper_pearson_upper(hits, runs, confidence=0.975),
    )
    if isinstance(lower, Unavailable) or isinstance(upper, Unavailable):
        raise TypeError("runs without an interval")  # a bug: there is at least one run
    return SimulatedPower(power=hits / runs, lower=lower, upper=upper, hits=hits, runs=runs)


def split_units(
    values: Mapping[str, ArrayLike],
    *,
    shares: Mapping[str, float],
    effects: Mapping[str, Mapping[str, Effect]],
    total: int | None = None,
) -> Callable[[np.random.Generator], Arms] | Unavailable:
    """Experiments drawn from units that all got the same, split at random as the plan splits them.

    Args:
        values: Per metric one row per unit, shape (units,) or, for a ratio, (units, 2); the units of all metrics
            are the same, so that metrics stay related as they are.
        shares: Of the units, by arm; what they leave is in no arm.
        effects: What happens to a metric's units, by arm and metric, such as `multiplied(1.05)`.
        total: Units of an experiment; all of them when not given. More than there are: drawn with replacement.

    Raises:
        DataError: The metrics do not list the same units.
        SpecError: The shares are no shares, or an effect is on no arm and metric.
    """
    columns = {metric: np.asarray(column, dtype=np.float64) for metric, column in values.items()}
    sizes = {column.shape[0] for column in columns.values() if column.ndim}
    if len(sizes) != 1 or not all(column.ndim for column in columns.values()):
        raise DataError(f"metrics {', '.join(columns) or 'none'} do not list the same units; give one row per unit")
    if unknown := {(arm, m) for arm, of in effects.items() for m in of if arm not in shares or m not in columns}:
        raise SpecError(f"effects on {sorted(unknown)}, which is no arm and metric of this experiment")
    if not all(np.isfinite(column).all() for column in columns.values()):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail="the units hold infinities or NaN")
    units = sizes.pop()
    if units == 0:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="there are no units to split")
    deal = dealing(units, shares=shares, total=units if total is None else total)

    def draw(rng: np.random.Generator) -> Arms:
        return {
            arm: {
                metric: effects.get(arm, {}).get(metric, _nothing)(column[of_arm], rng)
                for metric, column in columns.items()
            }
            for arm, of_arm in deal(rng).items()
        }

    return draw


def dealing(
    units: int, *, shares: Mapping[str, float], total: int
) -> Callable[[np.random.Generator], dict[str, NDArray[np.int64]]]:
    """Deal units into arms at random: the places of each arm's units, in a random order.

    Args:
        units: There are, at least 1.
        shares: Of the dealt units, by arm; what they leave is in no arm.
        total: Units to deal. More than there are: drawn with replacement.

    Raises:
        SpecError: The shares are no shares, or there is nothing to deal.
    """
    if total < 0:
        raise SpecError(f"{total} units cannot be dealt; give 0 or more")
    if not all(share > 0 for share in shares.values()) or not 0 < sum(shares.values()) <= 1 + 1e-9:
        raise SpecError(f"shares {dict(shares)} are impossible; each must be above 0 and their sum at most 1")
    # The last part holds the units of no arm; a hair below 0 is the rounding of shares that add up to 1.
    parts = np.array([*shares.values(), max(1 - sum(shares.values()), 0.0)])

    def deal(rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
        chosen = rng.integers(units, size=total) if total > units else rng.permutation(units)[:total]
        edges = np.cumsum(rng.multinomial(total, parts / parts.sum()))[:-1]
        return dict(zip(shares, np.split(chosen, edges), strict=False))

    return deal


def _nothing(values: Values, _: np.random.Generator) -> Values:
    return values


def multiplied(by: float) -> Effect:
    """Every unit's value times a number."""
    return lambda values, _: values * by


def added(amount: float) -> Effect:
    """A number on top of every unit's value."""
    return lambda values, _: values + amount


def flipped(change: float) -> Effect:
    """A rate moved by so much: zeros turned to ones at random, or ones to zeros when the change is negative.

    Raises:
        DataError: When it is put in: the rate cannot move so far.
    """

    def flip(values: Values, rng: np.random.Generator) -> Values:
        rate = float(values.mean()) if values.size else 0.0
        room = 1 - rate if change > 0 else rate
        if abs(change) > room:
            raise DataError(f"a rate of {rate:g} cannot move by {change:+g}; rates lie between 0 and 1")
        if change == 0:
            return values
        turned = rng.random(values.shape) < abs(change) / room
        return np.where(turned, 1.0 if change > 0 else 0.0, values)

    return flip


def drawn_moments(rng: np.random.Generator, *, units: int, mean: float, sd: float | None) -> Moments:
    """Moments of an arm drawn without drawing its units, for designs whose units are too many to draw.

    Args:
        rng: Where the chance comes from.
        units: Of the arm.
        mean: True mean per unit; of a proportion its true rate.
        sd: True standard deviation per unit; None for a proportion.

    Raises:
        SpecError: No such arm is possible.
    """
    if units < 2 or not math.isfinite(mean) or (sd is not None and not 0 <= sd < math.inf):
        raise SpecError(f"{units} units of mean {mean:g} and sd {sd} cannot be drawn; give 2 units or more")
    if sd is None and not 0 <= mean <= 1:
        raise SpecError(f"{mean:g} is not a rate; give an sd for any other mean")
    if sd is None:
        share = int(rng.binomial(units, mean)) / units
        return Moments(n=units, mean=share, m2=units * share * (1 - share))
    return Moments(
        n=units,
        mean=float(rng.normal(mean, sd / math.sqrt(units))),
        m2=sd * sd * float(rng.chisquare(units - 1)),
    )
