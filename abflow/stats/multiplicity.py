"""Several tests of one claim: p-values that keep the error of the whole family."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from abflow.errors import DataError, SpecError

Name = TypeVar("Name", bound=Hashable)


def holm(p_values: Sequence[float], *, family_size: int = 1) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the order given.

    Args:
        p_values: One per test. A test that could not be computed has no p-value and stays out.
        family_size: How many families like this one share the claim; each p-value is multiplied by it.

    Raises:
        DataError: A p-value is not between 0 and 1.

    References:
        Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    for p in p_values:
        if not 0 <= p <= 1:
            raise DataError(f"p-value {p} is not between 0 and 1; leave out tests that have none")
    if family_size < 1:
        raise SpecError(f"family_size {family_size} is below 1; this file is one of how many tests?")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        # A test may not look stronger than one with a smaller p-value, hence the running maximum.
        largest = max(largest, p_values[index] * (len(p_values) - rank))
        adjusted[index] = min(largest * family_size, 1.0)
    return tuple(adjusted)


def holm_by_name(p_values: Mapping[Name, float], *, family_size: int = 1) -> dict[Name, float]:
    """Holm's adjusted p-values under the names they came with."""
    adjusted = holm(tuple(p_values.values()), family_size=family_size)
    return dict(zip(p_values, adjusted, strict=True))
