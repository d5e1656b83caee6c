"""Who lives in the simulated world: every unit with what stays the same about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from abflow.simulate.clock import ALWAYS, NEVER, Flags, Floats, Ints, busy_times, day_factor, stream
from abflow.simulate.levers import control_names, event_types
from abflow.simulate.truth import Truth
from abflow.spec.assignment import bucket_sql, variant_edges
from abflow.spec.calendar import Calendar, Phase
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import DAY_MICROSECONDS
from abflow.spec.variants import BUCKETS

Keys = npt.NDArray[np.uint64]

# How a key is written in a log: never to be mistaken for a number by a CSV reader.
UNIT_SQL = "'u' || lpad(lower(to_hex({key})), 16, '0')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """One entry per unit, in the order in which they appear."""

    key: Keys
    arrival: Ints
    leaving: Ints
    known_since: Ints
    variant: Ints
    established: Flags
    crossed: Flags
    lost: dict[Phase, Flags]
    slowness: Floats
    disposition: dict[str, Floats]
    segment: dict[str, Ints]

    def __len__(self) -> int:
        return len(self.key)


def draw_units(spec: ExperimentSpec, truth: Truth, calendar: Calendar, *, seed: int) -> Units:
    """Everybody who appears during the A/A and the test, and some who act without ever being exposed."""
    days = serving_days(calendar)
    arrived = [_arrivals(truth, day, seed) for day in days]
    counts = [len(arrival) for arrival in arrived]
    arrival = np.concatenate(arrived)
    exposed = arrival != NEVER

    def per_unit(purpose: str, draw: Callable[[np.random.Generator, int], Floats]) -> Floats:
        """One number per unit, day by day, so that no day's draw depends on another's."""
        parts = zip(days, counts, strict=True)
        return np.concatenate([draw(stream(seed, day, purpose), count) for day, count in parts])

    def uniform(purpose: str) -> Floats:
        return per_unit(purpose, lambda rng, count: rng.random(count))

    key = np.concatenate([_keys(seed, day, count) for day, count in zip(days, counts, strict=True)])
    active = per_unit("lifetime", lambda rng, n: rng.exponential(truth.active_days * DAY_MICROSECONDS, n))
    established = ~exposed | (uniform("established") < truth.established_share)
    variant = _variants(spec, key, uniform("external assignment"))
    lost = _is_treatment(spec)[variant] & (uniform("lost") < truth.skew)
    levels = len(truth.segment_levels)
    return Units(
        key=key,
        arrival=arrival,
        leaving=np.where(exposed, arrival, 0) + active.astype(np.int64),
        known_since=np.where(established, ALWAYS, arrival),
        variant=variant,
        established=established,
        crossed=exposed & (uniform("crossed") < truth.crossed_rate),
        lost={phase: lost & (truth.skew_phase in (phase.value, "both")) for phase in (Phase.AA, Phase.TEST)},
        slowness=per_unit("slowness", lambda rng, n: rng.normal(0, truth.latency_ms.unit_sigma, n)),
        disposition={event: uniform(f"disposition {event}") for event in event_types(spec)},
        segment={
            name: (uniform(f"segment {name}") * levels).astype(np.int64)
            for name in spec.segments
            if name != "is_new_user"
        },
    )


def serving_days(calendar: Calendar) -> tuple[date, ...]:
    """Every day on which units are exposed: A/A and test."""
    return tuple(day for period in (calendar.aa, calendar.test) if period for day in period.days_through(period.last))


def mixed_keys(seed: int, numbers: Keys) -> Keys:
    """Different keys for different numbers, without order to the eye (the finaliser of SplitMix64)."""
    offset = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    key: Keys = numbers ^ offset
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    key ^= key >> np.uint64(31)
    return key


def _arrivals(truth: Truth, day: date, seed: int) -> Ints:
    rng = stream(seed, day, "arrivals")
    busy_count = rng.poisson(truth.units_per_day * day_factor(truth, day))
    unexposed = rng.poisson(truth.units_per_day * truth.unexposed_share)
    arrival = np.sort(busy_times(rng, busy_count, day))
    return np.concatenate([arrival, np.full(unexposed, NEVER)])


def _keys(seed: int, day: date, count: int) -> Keys:
    first = np.uint64(day.toordinal()) << np.uint64(32)
    return mixed_keys(seed, first + np.arange(count, dtype=np.uint64))


def _variants(spec: ExperimentSpec, key: Keys, external: Floats) -> Ints:
    """Index of every unit's variant: by the hash of its name, or as somebody else's randomiser drew."""
    if spec.assignment == "hash":
        buckets = _hash_buckets(key, spec.assignment_salt)
    else:
        buckets = (external * BUCKETS).astype(np.int64)
    ends = [end for _, end in variant_edges(spec).values()]
    return np.searchsorted(ends, buckets, side="right")


def _hash_buckets(key: Keys, salt: str) -> Ints:
    import duckdb  # noqa: PLC0415  heavy, and only hashing needs it

    quoted = "'" + salt.replace("'", "''") + "'"
    with duckdb.connect() as connection:
        connection.register("units", {"key": key})
        query = f"select {bucket_sql(UNIT_SQL.format(key='key'), quoted)}::bigint as bucket from units"  # noqa: S608
        return np.asarray(connection.execute(query).fetchnumpy()["bucket"], dtype=np.int64)


def _is_treatment(spec: ExperimentSpec) -> Flags:
    controls = control_names(spec)
    return np.array([name not in controls for name in spec.variants])
