"""One question to the shadow log, the limits of its answer, and the words of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from abflow.stats.intervals import clopper_pearson_lower, clopper_pearson_upper
from abflow.stats.result import Unavailable

ShadowStatus = Literal["pass", "warn", "fail", "insufficient", "not_checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowThresholds:
    """The limits of the shadow gate, each with its reason.

    Attributes:
        min_requests: Below this P95 and drift are mostly noise: 1 000 requests leave 50 above the P95.
        max_error_rate: A version that fails more than one call in a hundred is noticed by its users.
        max_latency_ratio: A fifth slower in the tail is about the smallest slowdown that people notice
            (Weber fraction of duration).
        min_agreement: Half agreeing is the least that a successor, not another product, should reach.
        warn_agreement: Below this somebody should look at the pairs that differ.
        warn_overlap: Ranked lists differ by design; fewer than three shared items of ten deserve a look.
        max_psi: The customary limit of a major shift in credit scoring.
        warn_psi: The customary limit of a minor shift.
        warn_ks: Ten percent of predictions moved past some value.
        min_coverage: Mirrored share of what the sampling rate promises; a tenth may be lost to timeouts.
    """

    min_requests: int = 1000
    max_error_rate: float = 0.01
    max_latency_ratio: float = 1.20
    min_agreement: float = 0.5
    warn_agreement: float = 0.8
    warn_overlap: float = 0.3
    max_psi: float = 0.25
    warn_psi: float = 0.10
    warn_ks: float = 0.10
    min_coverage: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCheck:
    """One question to the shadow log and its answer."""

    name: str
    status: ShadowStatus
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def rate_bounds(successes: int, n: int) -> tuple[float, float] | Unavailable:
    """The lower and the upper bound of a rate, each of them one-sided 95 % and exact."""
    lower, upper = clopper_pearson_lower(successes, n), clopper_pearson_upper(successes, n)
    if isinstance(lower, Unavailable):
        return lower
    return upper if isinstance(upper, Unavailable) else (lower, upper)


def held_to(lower: float, upper: float, limit: float) -> ShadowStatus:
    """Whether a value is shown to be at most the limit, shown to be above it, or neither."""
    if upper <= limit:
        return "pass"
    return "fail" if lower > limit else "insufficient"


def unknown(name: str, why: Unavailable, limit: float) -> ShadowCheck:
    """A question that the log cannot answer: never a pass, never a fail."""
    return ShadowCheck(
        name=name,
        status="insufficient",
        sentence=f"{name} cannot be judged: {why.detail}",
        numbers={"limit": limit},
    )


def more(status: ShadowStatus) -> str:
    """What to do when the bounds lie on both sides of the limit."""
    return "; mirror more requests to know" if status == "insufficient" else ""


def percent(share: float) -> str:
    """A share for people."""
    return f"{100 * share:.3g} %"


def counted(n: int) -> str:
    """A whole number for people."""
    return f"{n:,}".replace(",", " ")
