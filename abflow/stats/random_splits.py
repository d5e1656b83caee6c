"""The same units dealt to arms again and again: what each arm would hold, had chance fallen otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abflow.errors import SpecError

# So many equal units are cheaper to deal in one binomial draw than one by one.
_MANY_EQUAL = 64
# Units dealt at a time: with 1 000 draws their random numbers and arms stay in the processor's cache.
_CHUNK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSums:
    """What every arm holds in every draw.

    Attributes:
        units: Units, of shape (draws, arms).
        sums: Sums of the features over them, of shape (draws, arms, features).
    """

    units: NDArray[np.int64]
    sums: NDArray[np.float64]


def random_splits(
    features: NDArray[np.float64],
    sizes: NDArray[np.int64],
    shares: Sequence[float],
    *,
    draws: int,
    seed: int,
) -> SplitSums:
    """Deal all units to the arms anew, each unit on its own, in every draw.

    Units with the same features are dealt together by a multinomial draw, which has the same law; the others
    one by one, by a random number of 8 or 16 bits, so that an arm's share is met to 1 in 65 536.

    Args:
        features: Shape (groups, features): what a unit of each group adds to its arm.
        sizes: Shape (groups,): units in each group; 1 throughout when nothing was grouped.
        shares: Relative shares of the arms.
        draws: How often.
        seed: The same seed gives the same splits.

    Raises:
        SpecError: There are fewer than two arms, or no draws, or a share that is not positive.
    """
    weights = np.asarray(shares, dtype=np.float64)
    if weights.size < 2 or not (np.isfinite(weights).all() and (weights > 0).all()):
        raise SpecError(f"shares {tuple(shares)}; give two arms or more, each with a positive share")
    if draws < 1:
        raise SpecError(f"{draws} draws; take 1 or more, 1000 is usual")
    weights = weights / weights.sum()
    rng = np.random.default_rng(seed)
    many = sizes >= _MANY_EQUAL
    # A column of ones counts the units.
    columns = np.column_stack((np.ones(len(features)), features))
    held = _dealt_together(columns[many], sizes[many], weights, draws, rng)
    held += _dealt_one_by_one(np.repeat(columns[~many], sizes[~many], axis=0), weights, draws, rng)
    return SplitSums(units=np.rint(held[:, :, 0]).astype(np.int64), sums=held[:, :, 1:])


def _dealt_together(
    columns: NDArray[np.float64],
    sizes: NDArray[np.int64],
    weights: NDArray[np.float64],
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    held = np.zeros((draws, weights.size, columns.shape[1]))
    for column, size in zip(columns, sizes, strict=True):
        held += rng.multinomial(size, weights, size=draws)[:, :, np.newaxis] * column
    return held


def _dealt_one_by_one(
    columns: NDArray[np.float64], weights: NDArray[np.float64], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Who is left of each arm's upper edge, as a matrix of zeros and ones times what the units hold."""
    edges = np.minimum(np.rint(np.cumsum(weights)[:-1] * 65_536), 65_535).astype(np.uint16)
    bits: type[np.uint8 | np.uint16] = np.uint16
    if not np.any(edges % 256):  # halves and quarters are met exactly by 8 bits, in half the time
        edges, bits = edges // 256, np.uint8
    # Centred and scaled, single precision loses less than a millionth of a standard error.
    centre = columns.mean(axis=0) if len(columns) else np.zeros(columns.shape[1])
    centre[0] = 0.0
    distances = columns - centre
    scale = np.maximum(np.abs(distances).max(axis=0, initial=0.0), np.finfo(np.float64).tiny)
    light = (distances / scale).astype(np.float32)
    below = np.zeros((edges.size, draws, columns.shape[1]))
    for start in range(0, len(light), _CHUNK):
        part = light[start : start + _CHUNK]
        numbers = _random_bits(bits, draws * len(part), rng).reshape(draws, len(part))
        for arm, edge in enumerate(edges):
            below[arm] += (numbers < edge).astype(np.float32) @ part
    below *= scale
    below += below[:, :, :1] * centre
    everything = np.broadcast_to(columns.sum(axis=0), (1, *below.shape[1:]))
    nothing = np.zeros_like(everything)
    return np.diff(np.concatenate((nothing, below, everything)), axis=0).transpose(1, 0, 2)


def _random_bits(
    bits: type[np.uint8 | np.uint16], count: int, rng: np.random.Generator
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    # Several at a time out of each 64 bits, in a fraction of the time of asking for few.
    each = 8 // np.dtype(bits).itemsize
    words = rng.integers(2**64, size=-(-count // each), dtype=np.uint64)
    return words.view(np.uint8)[:count] if bits is np.uint8 else words.view(np.uint16)[:count]
