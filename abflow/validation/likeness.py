"""Does the new version answer like production: pair by pair, and as a distribution."""

from __future__ import annotations

import math

from abflow.stats.psi import population_stability_index
from abflow.stats.result import Unavailable
from abflow.stats.tails import normal_isf
from abflow.validation.shadow import Agreement, Overlap, PredictionKind, ShadowCounts
from abflow.validation.shadow_check import (
    ShadowCheck,
    ShadowStatus,
    ShadowThresholds,
    counted,
    more,
    percent,
    rate_bounds,
    unknown,
)


def judge_agreement(counts: ShadowCounts, limits: ShadowThresholds) -> ShadowCheck:
    """Pairs of predictions: enough must agree, and not all, or it is the same model."""
    match counts.agreement:
        case Unavailable() as why:
            return unknown("agreement", why, limits.min_agreement)
        case Overlap() as overlap:
            return _list_overlap(overlap, limits)
        case Agreement() as found:
            return _pairs_agree(found, counts.kind, limits)


def _pairs_agree(found: Agreement, kind: PredictionKind | Unavailable, limits: ShadowThresholds) -> ShadowCheck:
    limit = limits.min_agreement
    bounds = rate_bounds(found.agreements, found.pairs)
    if isinstance(bounds, Unavailable):
        return unknown("agreement", bounds, limit)
    lower, upper = bounds
    share = found.agreements / found.pairs
    by = "as logged" if found.logged else "same label"
    if kind is PredictionKind.NUMBERS and not found.logged:
        by = "within half a standard deviation of production's predictions"
    told = f"{percent(share)} of {counted(found.pairs)} pairs of predictions agree ({by}; 95 % "
    status: ShadowStatus
    if upper < limit:
        status, end = "fail", f"upper bound {percent(upper)}), needed is {percent(limit)}"
    elif lower < limit:
        status, end = "insufficient", f"lower bound {percent(lower)}), needed is {percent(limit)}"
        end += more(status)
    elif found.agreements == found.pairs:
        status, end = "warn", f"lower bound {percent(lower)}): is it the same model?"
    elif share < limits.warn_agreement:
        status, end = "warn", f"lower bound {percent(lower)}); look at the pairs that differ"
    else:
        status, end = "pass", f"lower bound {percent(lower)}), needed is {percent(limit)}"
    return ShadowCheck(
        name="agreement",
        status=status,
        sentence=told + end,
        numbers={"value": share, "lower": lower, "upper": upper, "limit": limit, "pairs": found.pairs},
    )


def _list_overlap(overlap: Overlap, limits: ShadowThresholds) -> ShadowCheck:
    """How much lists have in common warns, and never fails: a new ranking is meant to rank differently."""
    half = normal_isf(0.05) * overlap.sd / math.sqrt(overlap.pairs)
    told = f"the first ten items of {counted(overlap.pairs)} pairs of lists overlap by {percent(overlap.mean)}"
    status: ShadowStatus = "pass"
    if overlap.mean == 1:
        status, told = "warn", f"{told}: is it the same model?"
    elif overlap.mean < limits.warn_overlap:
        status, told = (
            "warn",
            f"{told}, less than {percent(limits.warn_overlap)}; look at the lists that differ",
        )
    return ShadowCheck(
        name="agreement",
        status=status,
        sentence=told,
        numbers={
            "value": overlap.mean,
            "lower": overlap.mean - half,
            "upper": overlap.mean + half,
            "limit": limits.warn_overlap,
            "pairs": overlap.pairs,
        },
    )


def judge_drift(counts: ShadowCounts, limits: ShadowThresholds) -> ShadowCheck:
    """All predictions together: their distribution must not have moved far."""
    drift = counts.drift
    if isinstance(drift, Unavailable):
        return unknown("drift", drift, limits.max_psi)
    psi = population_stability_index(drift.production, drift.shadow)
    if isinstance(psi, Unavailable):
        return unknown("drift", psi, limits.max_psi)
    numbers = {"value": psi, "limit": limits.max_psi}
    told = f"the distribution of predictions moved by a PSI of {psi:.3f}"
    far = False
    if drift.ks_distance is not None:
        numbers["ks_distance"] = drift.ks_distance
        told += f" (KS distance {drift.ks_distance:.3f})"
        far = drift.ks_distance > limits.warn_ks
    status: ShadowStatus
    if psi > limits.max_psi:
        status, told = "fail", f"{told}, allowed is {limits.max_psi:g}"
    elif psi > limits.warn_psi or far:
        status, told = "warn", f"{told}, more than {limits.warn_psi:g} deserves a look"
    else:
        status, told = "pass", f"{told}, allowed is {limits.max_psi:g}"
    return ShadowCheck(name="drift", status=status, sentence=told, numbers=numbers)
