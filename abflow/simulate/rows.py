"""Rows of a log as columns of numbers, and the mishaps that befall them on their way into a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from abflow.simulate.clock import Flags, Ints, shortly_after

Rows = dict[str, npt.NDArray[Any]]


def count(rows: Rows) -> int:
    """How many rows there are."""
    return len(rows["moment"])


def take(rows: Rows, which: Ints | Flags) -> Rows:
    """Some of the rows."""
    return {name: column[which] for name, column in rows.items()}


def joined(*parts: Rows) -> Rows:
    """All rows of all parts."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def by_time(rows: Rows) -> Rows:
    """The rows in the order of their timestamps; equal ones stay as they were."""
    return take(rows, np.argsort(rows["moment"], kind="stable"))


def with_repeats(rows: Rows, rng: np.random.Generator, rate: float) -> tuple[Rows, int]:
    """The rows and, a few seconds later, a second copy of some: same id, same day. Also says how many."""
    repeated = take(rows, rng.random(count(rows)) < rate)
    repeated["moment"] = shortly_after(repeated["moment"], rng, seconds=5)
    return joined(rows, repeated), count(repeated)


def split_late(rows: Rows, rng: np.random.Generator, rate: float) -> tuple[Rows, Rows]:
    """The rows that arrive in time, and those that arrive in the next day's file."""
    late = rng.random(count(rows)) < rate
    return take(rows, ~late), take(rows, late)
