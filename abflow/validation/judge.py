"""May real users meet the new version: the shadow counts held against fixed limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from abflow.stats.result import Unavailable
from abflow.validation.likeness import judge_agreement, judge_drift
from abflow.validation.shadow import ShadowCounts
from abflow.validation.shadow_check import (
    ShadowCheck,
    ShadowThresholds,
    counted,
    held_to,
    more,
    percent,
    rate_bounds,
    unknown,
)
from abflow.validation.tail import tail_ratio

OverallStatus = Literal["pass", "fail", "insufficient"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a request log says of the mirror.

    Attributes:
        eligible: Requests that could have been mirrored.
        mirrored: Those that were.
        sampling_rate: The share that was meant to be mirrored.
        empty_hours: Hours with eligible traffic and no mirrored request.
    """

    eligible: int
    mirrored: int
    sampling_rate: float
    empty_hours: int


def judge_shadow(
    counts: ShadowCounts, *, coverage: Coverage | None = None, thresholds: ShadowThresholds | None = None
) -> tuple[ShadowCheck, ...]:
    """Judge a day, or all days together; too few requests are not judged any further.

    Args:
        counts: Of a log whose contract holds.
        coverage: What the request log says of the mirror; None when there is no request log.
        thresholds: Limits other than the rules' own.
    """
    limits = thresholds or ShadowThresholds()
    volume = _volume(counts, limits)
    if volume.status == "insufficient":
        return (volume,)
    return (
        volume,
        _error_rate(counts, limits),
        _latency(counts, limits),
        judge_agreement(counts, limits),
        judge_drift(counts, limits),
        _coverage(coverage, limits),
    )


def overall(checks: Iterable[ShadowCheck]) -> OverallStatus:
    """The gate: fail before insufficient before pass; warnings and what was not checked do not change it."""
    statuses = {check.status for check in checks}
    if "fail" in statuses:
        return "fail"
    if "insufficient" in statuses or not statuses:
        return "insufficient"
    return "pass"


def _volume(counts: ShadowCounts, limits: ShadowThresholds) -> ShadowCheck:
    enough = counts.requests >= limits.min_requests
    told = f"{counted(counts.requests)} requests were mirrored, needed are {counted(limits.min_requests)}"
    return ShadowCheck(
        name="requests",
        status="pass" if enough else "insufficient",
        sentence=told if enough else f"{told}; so far {counted(counts.failed)} failed",
        numbers={"requests": counts.requests, "failed": counts.failed, "limit": limits.min_requests},
    )


def _error_rate(counts: ShadowCounts, limits: ShadowThresholds) -> ShadowCheck:
    limit = limits.max_error_rate
    bounds = rate_bounds(counts.failed, counts.requests)
    if isinstance(bounds, Unavailable):
        return unknown("error_rate", bounds, limit)
    lower, upper = bounds
    rate = counts.failed / counts.requests
    status = held_to(lower, upper, limit)
    bound = f"lower bound {percent(lower)}" if status == "fail" else f"upper bound {percent(upper)}"
    return ShadowCheck(
        name="error_rate",
        status=status,
        sentence=f"{percent(rate)} of {counted(counts.requests)} mirrored requests failed "
        f"(95 % {bound}), allowed is {percent(limit)}{more(status)}",
        numbers={"value": rate, "lower": lower, "upper": upper, "limit": limit},
    )


def _latency(counts: ShadowCounts, limits: ShadowThresholds) -> ShadowCheck:
    production, shadow, limit = counts.production_latency, counts.shadow_latency, limits.max_latency_ratio
    if isinstance(production, Unavailable):
        return unknown("latency_p95", production, limit)
    if isinstance(shadow, Unavailable):
        return unknown("latency_p95", shadow, limit)
    ratio = tail_ratio(production, shadow)
    if isinstance(ratio, Unavailable):
        return unknown("latency_p95", ratio, limit)
    status = held_to(ratio.lower, ratio.upper, limit)
    bound = f"lower bound {ratio.lower:.3f}" if status == "fail" else f"upper bound {ratio.upper:.3f}"
    return ShadowCheck(
        name="latency_p95",
        status=status,
        sentence=f"P95 latency is {shadow.p95:.4g} ms, {ratio.value:.3f} times production's "
        f"{production.p95:.4g} ms (95 % {bound}), allowed is {limit:.2f}{more(status)}",
        numbers={
            "value": ratio.value,
            "lower": ratio.lower,
            "upper": ratio.upper,
            "limit": limit,
            "production_ms": production.p95,
            "shadow_ms": shadow.p95,
        },
    )


def _coverage(coverage: Coverage | None, limits: ShadowThresholds) -> ShadowCheck:
    if coverage is None:
        return ShadowCheck(
            name="coverage",
            status="not_checked",
            sentence="not checked whether the mirror got every request meant for it: there is no request log",
        )
    expected = coverage.eligible * coverage.sampling_rate
    share = coverage.mirrored / expected if expected else 0.0
    return ShadowCheck(
        name="coverage",
        status="pass" if share >= limits.min_coverage and not coverage.empty_hours else "fail",
        sentence=f"{counted(coverage.mirrored)} requests were mirrored, {percent(share)} of those that the "
        f"sampling rate promises, needed is {percent(limits.min_coverage)}; "
        f"hours with traffic and no mirrored request: {coverage.empty_hours}",
        numbers={"value": share, "limit": limits.min_coverage, "empty_hours": coverage.empty_hours},
    )
