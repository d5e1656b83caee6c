"""One day of what units did."""

from __future__ import annotations

from datetime import date

import numpy as np

from abflow.simulate.clock import NEVER, Floats, Ints, even_times, midnight
from abflow.simulate.rows import Rows, by_time, count, joined
from abflow.simulate.truth import Lognormal, Pareto, Value
from abflow.simulate.world import World
from abflow.spec.metrics import DAY_MICROSECONDS

ITEMS = 500


def draw_outcomes(world: World, day: date, first_test: Ints) -> Rows:
    """Every event of a day, of units exposed or not, before and after their exposure.

    Args:
        world: The simulated world.
        day: The day to draw.
        first_test: The moment of every unit's first exposure in the test, or NEVER.
    """
    drawn = [_events(world, day, event, first_test) for event in world.levers]
    for code, events in enumerate(drawn):
        events["type"] = np.full(count(events), code)
    rows = by_time(joined(*drawn))
    rows["event"] = day.toordinal() * 10**9 + np.arange(count(rows))
    rows["item"] = _items(world.stream(day, "items"), count(rows))
    return rows


def _events(world: World, day: date, name: str, first_test: Ints) -> Rows:
    """Events of one type: drawn at the highest rate there is, then thinned to each unit's own."""
    units, levers = world.units, world.levers[name]
    event = levers.event
    disposition = units.disposition[name]
    most = event.share * (1 + max(levers.share.max(), 0.0))
    pool = np.flatnonzero((units.known_since < midnight(day) + DAY_MICROSECONDS) & (disposition < most))
    top_rate = event.per_day * max(event.established_ratio, 1.0) * (1 + max(levers.rate.max(), 0.0))
    rng = world.stream(day, f"event {name}")
    drawn = rng.poisson(len(pool) * top_rate)
    unit = pool[rng.integers(0, max(len(pool), 1), drawn)]
    at = even_times(rng, drawn, day)
    treated = _strength(world, unit, at, first_test)
    variant = units.variant[unit]
    rate = event.per_day * np.where(units.established[unit], event.established_ratio, 1.0)
    happens = (
        (at > units.known_since[unit])
        & (disposition[unit] < event.share * (1 + levers.share[variant] * treated))
        & (rng.random(drawn) * top_rate < rate * (1 + levers.rate[variant] * treated))
    )
    size = _sizes(rng, event.value, drawn) * (1 + levers.value[variant] * treated)
    in_test, in_aa = at >= first_test[unit], at >= units.arrival[unit]
    served = np.where(in_test, variant, np.where(in_aa, world.control, -1))
    return {
        "moment": at[happens],
        "unit": unit[happens],
        "value": np.round(size[happens], 4),
        "served": served[happens],
    }


def _strength(world: World, unit: Ints, at: Ints, first_test: Ints) -> Floats:
    """How much of its effect a treatment has: none before the first exposure, less as novelty wears off."""
    entered = first_test[unit]
    exposed = at >= entered
    if world.truth.novelty == 0:
        return exposed.astype(np.float64)
    age = np.where(exposed, at - np.where(entered == NEVER, at, entered), 0) / DAY_MICROSECONDS
    return exposed * 0.5 ** (age / world.truth.novelty)


def _sizes(rng: np.random.Generator, value: Value | None, n: int) -> Floats:
    match value:
        case Lognormal():
            return rng.lognormal(value.mu, value.sigma, n)
        case Pareto():
            return value.minimum * (1 - rng.random(n)) ** (-1 / value.tail)
        case None:
            return np.full(n, np.nan)


def _items(rng: np.random.Generator, n: int) -> Ints:
    """A few items are popular."""
    return (ITEMS * rng.random(n) ** 3).astype(np.int64)
