"""Which variant a unit gets: one definition, in Python and in SQL."""

from __future__ import annotations

import hashlib
from itertools import accumulate

from abflow.spec.experiment import ExperimentSpec
from abflow.spec.variants import BUCKETS


def bucket(unit: str, salt: str) -> int:
    """The unit's bucket in 0 .. 9 999, the same for ever."""
    return int(hashlib.md5(f"{unit}:{salt}".encode(), usedforsecurity=False).hexdigest(), 16) % BUCKETS


def edges(weights: dict[str, float]) -> dict[str, tuple[int, int]]:
    """Half-open bucket range of every variant, in the order given.

    Args:
        weights: Relative shares by variant; they need not add up to 1.
    """
    total = sum(weights.values())
    ends = [round(cumulated / total * BUCKETS) for cumulated in accumulate(weights.values())]
    return dict(zip(weights, zip([0, *ends[:-1]], ends, strict=True), strict=True))


def variant_edges(spec: ExperimentSpec) -> dict[str, tuple[int, int]]:
    """Half-open bucket range of every variant of an experiment."""
    return edges({name: variant.weight for name, variant in spec.variants.items()})


def bucket_shares(spec: ExperimentSpec) -> dict[str, float]:
    """The share of units that each variant really gets, after rounding to buckets."""
    return {name: (end - start) / BUCKETS for name, (start, end) in variant_edges(spec).items()}


def variant_of(unit: str, spec: ExperimentSpec) -> str:
    """The variant that the hash assigns to a unit."""
    at = bucket(unit, spec.assignment_salt)
    return next(name for name, (start, end) in variant_edges(spec).items() if start <= at < end)


def bucket_sql(unit: str, salt: str) -> str:
    """DuckDB expression equal to `bucket`; both arguments are SQL expressions of text.

    The digest is a 128-bit number read from its most significant digit. Its two 64-bit halves are reduced
    apart, because 2**64 leaves 1 616 modulo 10 000 and every intermediate then fits 64 bits.
    """
    digest = f"md5({unit} || ':' || {salt})"
    high, low = (f"(('0x' || substr({digest}, {at}, 16))::ubigint % {BUCKETS})" for at in (1, 17))
    return f"(({high} * {2**64 % BUCKETS} + {low}) % {BUCKETS})"
