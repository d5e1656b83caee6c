"""Several tests of one claim: p-values that keep the error of the whole family."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Literal, TypeVar

from abflow.errors import DataError, SpecError

Name = TypeVar("Name", bound=Hashable)
Correction = Literal["holm", "hochberg", "bonferroni", "sidak", "benjamini_hochberg", "benjamini_yekutieli"]


def adjust(p_values: Sequence[float], correction: Correction, *, family_size: int = 1) -> tuple[float, ...]:
    """Adjusted p-values, in the order given, by the correction that the experiment file names.

    All but the last two keep the chance of any false find. Benjamini-Hochberg and Benjamini-Yekutieli keep the
    expected share of false finds among the finds, which promises less. With p_(1) ≤ ... ≤ p_(m), the adjusted p_(i) is
    of Holm the largest (m - j + 1) p_(j) over j ≤ i, of Hochberg the smallest over j ≥ i; of Benjamini-Hochberg the
    smallest m/j p_(j) over j ≥ i, of Benjamini-Yekutieli that times 1 + 1/2 + ... + 1/m; of Bonferroni m p, of Šidák
    1 - (1 - p)^m; all at most 1.

    Args:
        p_values: One per test. A test that could not be computed has no p-value and stays out.
        correction: Its name. Hochberg and Benjamini-Hochberg need tests that do not pull against one another,
            such as arms against one control; Šidák needs two-sided or independent ones; the others need nothing.
        family_size: How many families like this one share the claim; each adjusted p-value is multiplied by it.

    Raises:
        DataError: A p-value is not between 0 and 1.
        SpecError: The correction is unknown, or the family size below 1.

    References:
        Holm (1979), Scandinavian Journal of Statistics 6, 65-70; Hochberg (1988), Biometrika 75, 800-802; Benjamini,
        Hochberg (1995), JRSS B 57, 289-300; Benjamini, Yekutieli (2001), Annals of Statistics 29, 1165-1188,
        theorem 1.3; Šidák (1967), JASA 62, 626-633.
    """
    method = _METHODS.get(correction)
    if method is None:
        raise SpecError(f"correction {correction!r} is unknown; choose one of {', '.join(_METHODS)}")
    for p in p_values:
        if not 0 <= p <= 1:
            raise DataError(f"p-value {p} is not between 0 and 1; leave out tests that have none")
    if not 1 <= family_size < math.inf:
        raise SpecError(f"family_size {family_size} is not 1 or more; this file is one of how many tests?")
    return tuple(min(p * family_size, 1.0) for p in method(p_values))


def adjust_by_name(
    p_values: Mapping[Name, float], correction: Correction, *, family_size: int = 1
) -> dict[Name, float]:
    """Adjusted p-values under the names they came with; see `adjust`.

    References:
        Those of `adjust`.
    """
    adjusted = adjust(tuple(p_values.values()), correction, family_size=family_size)
    return dict(zip(p_values, adjusted, strict=True))


def holm(p_values: Sequence[float], *, family_size: int = 1) -> tuple[float, ...]:
    """Holm's adjusted p-values, in the order given; see `adjust`.

    References:
        Holm (1979), Scandinavian Journal of Statistics 6, 65-70.
    """
    return adjust(p_values, "holm", family_size=family_size)


def holm_by_name(p_values: Mapping[Name, float], *, family_size: int = 1) -> dict[Name, float]:
    """Holm's adjusted p-values under the names they came with; see `adjust`.

    References:
        Those of `holm`.
    """
    return adjust_by_name(p_values, "holm", family_size=family_size)


def _holm(p_values: Sequence[float]) -> list[float]:
    """Holm (1979), Scandinavian Journal of Statistics 6, 65-70."""
    return _step_down(p_values, lambda rank: len(p_values) - rank + 1)


def _hochberg(p_values: Sequence[float]) -> list[float]:
    """Hochberg (1988), Biometrika 75, 800-802."""
    return _step_up(p_values, lambda rank: len(p_values) - rank + 1)


def _bonferroni(p_values: Sequence[float]) -> list[float]:
    """Dunn (1961), JASA 56, 52-64."""
    return [min(p * len(p_values), 1.0) for p in p_values]


def _sidak(p_values: Sequence[float]) -> list[float]:
    """Šidák (1967), JASA 62, 626-633."""
    # 1 - (1 - p)^k, which would lose every digit of a small p.
    return [-math.expm1(len(p_values) * math.log1p(-p)) if p < 1 else 1.0 for p in p_values]


def _benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini, Hochberg (1995), JRSS B 57, 289-300."""
    return _step_up(p_values, lambda rank: len(p_values) / rank)


def _benjamini_yekutieli(p_values: Sequence[float]) -> list[float]:
    """Benjamini, Yekutieli (2001), Annals of Statistics 29, 1165-1188, theorem 1.3."""
    harmonic = sum(1 / rank for rank in range(1, len(p_values) + 1))
    return _step_up(p_values, lambda rank: harmonic * len(p_values) / rank)


def _step_down(p_values: Sequence[float], factor: Callable[[int], float]) -> list[float]:
    """From the smallest p-value up, none below the one before it: a test may not overtake a stronger one."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(_order(p_values), start=1):
        largest = max(largest, min(p_values[index] * factor(rank), 1.0))
        adjusted[index] = largest
    return adjusted


def _step_up(p_values: Sequence[float], factor: Callable[[int], float]) -> list[float]:
    """From the largest p-value down, none above the one before it: a test is carried by the weaker ones."""
    adjusted, smallest = [0.0] * len(p_values), 1.0
    for rank, index in reversed(list(enumerate(_order(p_values), start=1))):
        smallest = min(smallest, p_values[index] * factor(rank))
        adjusted[index] = smallest
    return adjusted


def _order(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=p_values.__getitem__)


_METHODS: dict[str, Callable[[Sequence[float]], list[float]]] = {
    "holm": _holm,
    "hochberg": _hochberg,
    "bonferroni": _bonferroni,
    "sidak": _sidak,
    "benjamini_hochberg": _benjamini_hochberg,
    "benjamini_yekutieli": _benjamini_yekutieli,
}
