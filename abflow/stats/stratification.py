"""Differences estimated within strata and averaged over them: post-stratification."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from abflow.errors import SpecError
from abflow.stats.contrast import estimate_by_t, variance_of_mean, why_not_comparable
from abflow.stats.means import MIN_UNITS, ratio_moments
from abflow.stats.moments import EMPTY, NO_PAIRS, JointMoments, Moments
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.vector_moments import VectorMoments

# A stratum left out takes its units with it. Beyond one unit in twenty the rest is another population.
MAX_DROPPED = 0.05

Sums = TypeVar("Sums", Moments, JointMoments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum(Generic[Sums]):
    """Both arms among units that were alike before the treatment, such as those of one enrolment day.

    Attributes:
        name: Of the stratum.
        control: Its units in the control.
        treatment: Its units in the treatment.
    """

    name: str
    control: Sums
    treatment: Sums

    @property
    def n(self) -> int:
        """Units of both arms."""
        return self.control.n + self.treatment.n

    @property
    def has_variances(self) -> bool:
        """Whether the spread of both arms can be estimated."""
        return min(self.control.n, self.treatment.n) >= 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StratifiedEstimate:
    """A difference averaged over strata, and what was left out of it.

    Attributes:
        estimate: The difference.
        strata: Strata in it.
        dropped: Names of the strata with fewer than 2 units in an arm, which are not in it.
        dropped_share: Share of all units that are in those.
    """

    estimate: Estimate
    strata: int
    dropped: tuple[str, ...]
    dropped_share: float


def stratified_difference(
    strata: Sequence[Stratum[Moments]], *, confidence: float = 0.95, min_units: int = MIN_UNITS
) -> StratifiedEstimate | Unavailable:
    """Treatment minus control within each stratum, weighted by the stratum's units of both arms.

    D = Σ w_k (m_tk - m_ck) with the variance Σ w_k² (s_ck²/n_ck + s_tk²/n_tk), w_k = n_k / Σ n_k.

    Chance gives one arm more of a stratum than the other; this takes it out again. With enrolment days as
    strata it is the standard second estimate, which must tell the same story as the first. The strata's shares
    count as known: the error does not hold what another mix of strata would have made of effects that differ.

    Args:
        strata: Disjoint sets of units; moments of one number per unit.
        confidence: Coverage of the interval.
        min_units: Fewest units per arm, over the strata that count.

    Returns:
        The average with an interval of Student's t; or why there is none, `method_not_valid_here` when strata
        with more than 5 % of the units would be left out.

    Raises:
        SpecError: Two strata have one name, or the confidence is not between 0.5 and 1.

    References:
        Miratrix, Sekhon, Yu (2013), JRSS B 75, 369-396, on the post-stratified estimator; Deng, Xu, Kohavi,
        Walker (2013), WSDM, 123-132, section 3.1.2; Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
    """
    kept = _kept(strata)
    if isinstance(kept, Unavailable):
        return kept
    refusal = why_not_comparable(*_arms(kept, EMPTY), min_units=max(min_units, 2))
    if refusal is not None:
        return refusal
    estimate = _average(kept, confidence)
    return estimate if isinstance(estimate, Unavailable) else _with_what_was_dropped(estimate, strata)


def stratified_ratio_difference(
    strata: Sequence[Stratum[JointMoments]], *, confidence: float = 0.95, min_units: int = MIN_UNITS
) -> StratifiedEstimate | Unavailable:
    """Treatment ratio minus control ratio, numerators and denominators averaged over strata before they meet.

    An arm's ratio is Σ w_k m_xk / Σ w_k m_yk. A ratio of averages and not an average of ratios, so that it estimates
    what the plain ratio estimates.

    Args:
        strata: Disjoint sets of units; numerator and denominator per unit.
        confidence: Coverage of the interval.
        min_units: Fewest units per arm, over the strata that count.

    Raises:
        SpecError: Two strata have one name, or the confidence is not between 0.5 and 1.

    References:
        As for `stratified_difference`; Deng, Knoblich, Lu (2018), KDD, 233-242, on the linearisation.
    """
    kept = _kept(strata)
    if isinstance(kept, Unavailable):
        return kept
    plain = []
    for name, arm in zip(("control", "treatment"), _arms(kept, NO_PAIRS), strict=True):
        ratio = ratio_moments(arm, arm=name)
        if isinstance(ratio, Unavailable):
            return ratio
        plain.append(ratio)
    refusal = why_not_comparable(*plain, min_units=max(min_units, 2))
    if refusal is not None:
        return refusal
    controls = _linearised([stratum.control for stratum in kept], _weights(kept))
    treatments = _linearised([stratum.treatment for stratum in kept], _weights(kept))
    linear = [
        Stratum(name=stratum.name, control=control, treatment=treatment)
        for stratum, control, treatment in zip(kept, controls, treatments, strict=True)
    ]
    estimate = _average(linear, confidence)
    return estimate if isinstance(estimate, Unavailable) else _with_what_was_dropped(estimate, strata)


def _kept(strata: Sequence[Stratum[Sums]]) -> list[Stratum[Sums]] | Unavailable:
    """Strata with a variance in both arms; or why too little is left of them."""
    if len({stratum.name for stratum in strata}) < len(strata):
        raise SpecError(f"two of the strata {[s.name for s in strata]} have one name; add up what belongs together")
    if not any(stratum.n for stratum in strata):
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="no stratum has units")
    if (share := _dropped_share(strata)) > MAX_DROPPED:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"{share:.1%} of the units are in strata with fewer than 2 units in an arm, and at most "
            f"{MAX_DROPPED:.0%} may be left out; use fewer and larger strata",
        )
    return [stratum for stratum in strata if stratum.has_variances]


def _dropped_share(strata: Sequence[Stratum[Sums]]) -> float:
    return sum(s.n for s in strata if not s.has_variances) / sum(s.n for s in strata)


def _arms(strata: Sequence[Stratum[Sums]], nothing: Sums) -> tuple[Sums, Sums]:
    """Both arms over all strata."""
    control = treatment = nothing
    for stratum in strata:
        control, treatment = control + stratum.control, treatment + stratum.treatment
    return control, treatment


def _linearised(arm: Sequence[JointMoments], weights: Sequence[float]) -> list[Moments]:
    """One arm's strata as means of R + (x - R y) / mean y, R being the ratio of the averages over strata."""
    mean_x = sum(weight * stratum.mean_x for weight, stratum in zip(weights, arm, strict=True))
    mean_y = sum(weight * stratum.mean_y for weight, stratum in zip(weights, arm, strict=True))
    ratio = mean_x / mean_y
    result = []
    for stratum in arm:
        cross = ((stratum.m2_x, stratum.cross), (stratum.cross, stratum.m2_y))
        pair = VectorMoments(n=stratum.n, mean=(stratum.mean_x, stratum.mean_y), cross=cross)
        linear = pair.linear((1 / mean_y, -ratio / mean_y))
        result.append(replace(linear, mean=ratio + linear.mean))
    return result


def _average(strata: Sequence[Stratum[Moments]], confidence: float) -> Estimate | Unavailable:
    value = variance = 0.0
    parts = []
    for weight, stratum in zip(_weights(strata), strata, strict=True):
        value += weight * (stratum.treatment.mean - stratum.control.mean)
        for arm in (stratum.control, stratum.treatment):
            part = weight * weight * variance_of_mean(arm)
            variance += part
            parts.append((part, arm.n - 1))
    if not (math.isfinite(value) and math.isfinite(variance)):
        return Unavailable(reason=UnavailableReason.NOT_FINITE, detail="the values are too large to be compared")
    if variance == 0:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE,
            detail="both arms are constant in every stratum, so nothing tells a difference from chance",
        )
    # Satterthwaite's degrees of freedom from shares of the variance; its squares overflow for values near 1e80.
    shares = [(part / variance, dof) for part, dof in parts]
    return estimate_by_t(
        value,
        math.sqrt(variance),
        dof=1 / sum(share * share / dof for share, dof in shares),
        confidence=confidence,
        method="post-stratified, Welch t",
    )


def _weights(strata: Sequence[Stratum[Sums]]) -> list[float]:
    """Each stratum's share of the units of both arms."""
    units = sum(stratum.n for stratum in strata)
    return [stratum.n / units for stratum in strata]


def _with_what_was_dropped(estimate: Estimate, strata: Sequence[Stratum[Sums]]) -> StratifiedEstimate:
    dropped = tuple(stratum.name for stratum in strata if not stratum.has_variances)
    return StratifiedEstimate(
        estimate=estimate,
        strata=len(strata) - len(dropped),
        dropped=dropped,
        dropped_share=_dropped_share(strata),
    )
