"""Microseconds, the rhythm of day and week, and one stream of random numbers per day and purpose."""

from __future__ import annotations

import zlib
from datetime import date

import numpy as np
import numpy.typing as npt

from abflow.simulate.truth import Truth
from abflow.spec.metrics import DAY_MICROSECONDS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NEVER = int(np.iinfo(np.int64).max)
ALWAYS = int(np.iinfo(np.int64).min)

# Traffic by hour of the day, mean 1: quiet at 3 in the morning, busiest at 15.
HOURS: Floats = 1 + 0.7 * np.cos(2 * np.pi * (np.arange(24) - 15) / 24)
_HOURS_CUMULATED: Floats = np.concatenate([[0.0], np.cumsum(HOURS)]) / 24


def stream(seed: int, day: date, purpose: str) -> np.random.Generator:
    """Random numbers that depend on nothing but the seed, the day and the purpose."""
    key = (day.toordinal(), zlib.crc32(purpose.encode()))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def midnight(day: date) -> int:
    """The first microsecond of a day, since 1970 in UTC."""
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_MICROSECONDS


def day_factor(truth: Truth, day: date) -> float:
    """Traffic of a day relative to the average day of its week."""
    return truth.weekday[day.weekday()] * 7 / sum(truth.weekday)


def busy_times(rng: np.random.Generator, count: int, day: date) -> Ints:
    """Moments of a day, more of them when people are awake."""
    hours = np.interp(rng.random(count), _HOURS_CUMULATED, np.arange(25))
    # The last two microseconds stay free for a repeat that must follow within the day.
    return midnight(day) + np.minimum(hours * 3_600_000_000, DAY_MICROSECONDS - 3).astype(np.int64)


def even_times(rng: np.random.Generator, count: int, day: date) -> Ints:
    """Moments of a day, each as likely as any other."""
    return midnight(day) + rng.integers(0, DAY_MICROSECONDS - 2, count)


def shortly_after(times: Ints, rng: np.random.Generator, seconds: float) -> Ints:
    """A moment within so many seconds after each time, and still on its day."""
    left = DAY_MICROSECONDS - 1 - times % DAY_MICROSECONDS
    wait = (rng.random(len(times)) * np.minimum(seconds * 1e6, left)).astype(np.int64)
    return times + np.minimum(np.maximum(wait, 1), left)
