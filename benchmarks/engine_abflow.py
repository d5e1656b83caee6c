"""What a day and a horizon take in abflow: the calls that the lifecycle makes, without its gates and checks."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import duckdb  # noqa: F401  abflow would import it while it is timed
from engine_data import Logs
from engine_moments import Moments, moments_of

from abflow.analysis.population import Population
from abflow.engine.measuring import measure
from abflow.engine.population import cohorts
from abflow.lifecycle import partitions  # noqa: F401  as well
from abflow.lifecycle.bench import Bench
from abflow.settings import load_settings


def moments(logs: Logs, memory_limit: str | None = None) -> Moments:
    """The first day in all: its partitions, the state of the units, and the moments."""
    with tempfile.TemporaryDirectory(dir=logs.folder) as folder:
        build(logs, Path(folder), 1, memory_limit)
        return _moments(_measured(logs, Path(folder), 1, memory_limit))


def build(logs: Logs, store: Path, number: int, memory_limit: str | None = None) -> None:
    """A day's partitions."""
    _bench(logs, store, memory_limit).unit_day(logs.first(number)[-1])


def roll(logs: Logs, store: Path, number: int) -> None:
    """The state of the units at the end of a day, from that of the day before."""
    bench = _bench(logs, store)
    bench.recorded(bench.calendar.test, logs.first(number)[-1])


def health(logs: Logs, store: Path, number: int) -> None:
    """What the health check of a day reads: who is in, and, for the harm look, what they did so far."""
    bench = _bench(logs, store)
    recorded = bench.recorded(bench.calendar.test, logs.first(number)[-1])
    cohorts(bench.spec, recorded.period, recorded.state, resources=bench.settings.resources)
    measure(bench.spec, recorded, resources=bench.settings.resources)


def horizon(logs: Logs, store: Path, number: int) -> Moments:
    """The moments of everything that happened until the end of a day, with nothing known but the partitions."""
    shutil.rmtree(_bench(logs, store).store.folder / "unit_state")
    return _moments(_measured(logs, store, number))


def _measured(logs: Logs, store: Path, number: int, memory_limit: str | None = None) -> Population:
    bench = _bench(logs, store, memory_limit)
    recorded = bench.recorded(bench.calendar.test, logs.first(number)[-1])
    return measure(bench.spec, recorded, resources=bench.settings.resources)


def _bench(logs: Logs, store: Path, memory_limit: str | None = None) -> Bench:
    return Bench(logs.spec, load_settings(store=store, memory_limit=memory_limit, spill=store / "spill"))


def _moments(population: Population) -> Moments:
    found: Moments = {}
    for variant in population.units():
        measured = {m.metric: m for m in population.measured if (m.variant, m.contamination) == (variant, "exclude")}
        pair = measured["ctr"].pair
        if pair is None:
            raise SystemExit(f"abflow has no clicks and impressions of {variant}")
        alone = {name: measured[name].moments for name in ("bought", "sessions", "revenue")}
        means = {name: each.mean for name, each in alone.items()}
        means |= {"clicks": pair.mean_x, "impressions": pair.mean_y}
        squares = {name: each.m2 for name, each in alone.items()} | {"clicks": pair.m2_x, "impressions": pair.m2_y}
        variances = {name: square / pair.n for name, square in squares.items()}
        found |= moments_of(variant, pair.n, means, variances, pair.cross / pair.n)
    return found
