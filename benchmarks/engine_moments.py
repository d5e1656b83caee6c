"""The numbers that every contender must give: moments over users, by variant."""

from __future__ import annotations

import math
from collections.abc import Mapping

# One number per user each; the last two are numerator and denominator of the ratio.
NUMBERS = ("bought", "sessions", "revenue", "clicks", "impressions")
Moments = dict[str, float]


def moments_of(
    variant: str, users: float, means: Mapping[str, float], variances: Mapping[str, float], covariance: float
) -> Moments:
    """The moments of one variant.

    Args:
        variant: Its name.
        users: How many users were seen in no other variant.
        means: Of every number.
        variances: Of every number, divided by the users.
        covariance: Of clicks and impressions, divided by the users.
    """
    found = {f"{variant} users": float(users), f"{variant} cross": covariance * users}
    for name in NUMBERS:
        found |= {f"{variant} {name} mean": means[name], f"{variant} {name} m2": variances[name] * users}
    return found


def require_same(who: str, found: Moments, expected: Moments) -> None:
    """Stop where a contender did not do the same work.

    Raises:
        SystemExit: Its numbers are others.
    """
    names = sorted(found.keys() | expected.keys())
    apart = [name for name in names if not _close(found.get(name), expected.get(name))]
    if apart:
        told = "\n".join(f"  {name}: {found.get(name)!r}, the floor has {expected.get(name)!r}" for name in apart)
        raise SystemExit(f"{who} gives other numbers than the floor, so its time says nothing:\n{told}")


def _close(found: float | None, expected: float | None) -> bool:
    return found is not None and expected is not None and math.isclose(found, expected, rel_tol=1e-9)
