"""One day of requests served in the experiment."""

from __future__ import annotations

from datetime import date

import numpy as np

from abflow.simulate.clock import NEVER, Flags, Ints, busy_times, day_factor, midnight, shortly_after
from abflow.simulate.rows import Rows, count, joined, take
from abflow.simulate.world import World
from abflow.spec.calendar import Phase
from abflow.spec.metrics import DAY_MICROSECONDS

# Each unit's first session in a phase, or NEVER.
FirstSeen = dict[Phase, Ints]


def nobody_seen(world: World) -> FirstSeen:
    """Before the first day."""
    return {phase: np.full(len(world.units), NEVER) for phase in (Phase.AA, Phase.TEST)}


def draw_exposures(world: World, day: date, phase: Phase, first_seen: FirstSeen) -> tuple[Rows, FirstSeen]:
    """Everybody's sessions of a day, one request each, as they are logged; and who has been seen by now."""
    unit, at = _sessions(world, day)
    entered, first_seen = _enter(first_seen, phase, unit, at)
    logged = ~world.units.lost[phase][unit]
    rows = {"moment": at, "unit": unit, "variant": world.units.variant[unit]}
    crossed = _crossings(world, day, take(rows, entered & logged & world.units.crossed[unit]))
    rows = joined(take(rows, logged), crossed)
    rows = {**rows, **_answers(world, day, phase, rows)}
    rows["request"] = day.toordinal() * 10**9 + np.arange(count(rows))
    return rows, first_seen


def _sessions(world: World, day: date) -> tuple[Ints, Ints]:
    """Units and moments of a day's sessions, in order of time: arrivals, and those who come back."""
    arrival, leaving = world.units.arrival, world.units.leaving
    start, end = midnight(day), midnight(day) + DAY_MICROSECONDS
    new = np.flatnonzero((arrival >= start) & (arrival < end))
    active = np.flatnonzero((arrival < end) & (leaving > start))
    rng = world.stream(day, "sessions")
    visits = rng.poisson(len(active) * world.truth.returning * day_factor(world.truth, day))
    unit = active[rng.integers(0, max(len(active), 1), visits)]
    at = busy_times(rng, visits, day)
    here = (at > arrival[unit]) & (at < leaving[unit])
    unit = np.concatenate([new, unit[here]])
    at = np.concatenate([arrival[new], at[here]])
    order = np.argsort(at, kind="stable")
    return unit[order], at[order]


def _enter(first_seen: FirstSeen, phase: Phase, unit: Ints, at: Ints) -> tuple[Flags, FirstSeen]:
    """Which sessions are a unit's first of the phase."""
    visitors, firsts = np.unique(unit, return_index=True)
    firsts = firsts[first_seen[phase][visitors] == NEVER]
    seen = first_seen[phase].copy()
    seen[unit[firsts]] = at[firsts]
    entered = np.zeros(len(unit), dtype=np.bool_)
    entered[firsts] = True
    return entered, {**first_seen, phase: seen}


def _crossings(world: World, day: date, rows: Rows) -> Rows:
    """A second request within minutes of the first one, logged in another variant."""
    rng = world.stream(day, "crossed")
    arms = len(world.variants)
    other = (rows["variant"] + rng.integers(1, arms, count(rows))) % arms
    return {**rows, "moment": shortly_after(rows["moment"], rng, seconds=600), "variant": other}


def _answers(world: World, day: date, phase: Phase, rows: Rows) -> Rows:
    """Which version answered, how fast, and whether the call failed."""
    truth, n = world.truth, count(rows)
    rng = world.stream(day, "answers")
    variant = rows["variant"]
    fallback = rng.random(n) < truth.fallback_rate
    if phase is Phase.AA:
        served = np.full(n, world.control)
        fallback[:] = False
    else:
        fallback &= ~np.isin(variant, world.controls)
        served = np.where(fallback, world.control, variant)
    failed = rng.random(n) < world.error_rate[served]
    spread = world.units.slowness[rows["unit"]] + rng.normal(0, truth.latency_ms.sigma, n)
    latency = np.round(truth.latency_ms.median * world.latency_ratio[served] * np.exp(spread), 3)
    return {
        "served": served,
        "fallback": fallback,
        "failed": failed,
        "latency_ms": np.where(failed, -1.0, latency),
    }
