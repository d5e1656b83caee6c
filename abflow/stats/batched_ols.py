"""What a bandit's data say about two arms: one test per batch, added up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abflow.stats.batches import BatchMoments, Floats, Kind, combined, likeliest_control_rate, why_not_added_up
from abflow.stats.means import MIN_UNITS
from abflow.stats.moments import Moments
from abflow.stats.proportions import successes_of
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.root import root
from abflow.stats.tails import normal_isf, normal_sf, t_isf, t_sf, tail_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedDifference:
    """Treatment minus control from batches in which the arms had different shares.

    Attributes:
        estimate: The difference; its p-value and interval come from the same statistic.
        z: The statistic: the batches' tests added up, over the root of their number.
        batches: Batches used.
        left_out: Batches with fewer than 10 units in an arm, or without spread.
    """

    estimate: Estimate
    z: float
    batches: int
    left_out: int


def batched_difference(
    batches: Sequence[tuple[Moments, Moments]], *, kind: Kind, confidence: float = 0.95
) -> BatchedDifference | Unavailable:
    """Treatment minus control after the shares of the arms were changed from batch to batch.

    Pooling all batches compares the arms at different times and lets an arm's luck decide its own sample
    size. Within a batch the shares were fixed beforehand, so each batch's test is sound whatever the
    baseline did, and Z = Σ Z_b / sqrt(B) is normal. The estimate is Σ θ_b/se_b / Σ 1/se_b, its standard error
    sqrt(B) / Σ 1/se_b. The interval of rates holds the d with abs(Σ (θ_b - d) / se_b(d)) / sqrt(B) ≤ z.

    The standard error of a batch pools both arms, as in the paper: the pooled z of proportions, Student's t of means,
    se_b² = (m2_c + m2_t) / (n_c + n_t - 2) (1/n_c + 1/n_t). An unpooled one leans on the smaller arm's few units: it is
    small whenever their mean is small, and the batches add this error up (with 5 % events, 1 000 units a day and equal
    arms over three weeks it rejects 17 % instead of 5 %; with lognormal values 30 %). The price: arms of equal mean
    whose standard deviations differ by a factor of 2 are told apart 14 % of the time. Rates do not pay it: equal rates
    have equal spreads, and their interval gives each difference it asks about the variance that belongs to it.

    Args:
        batches: Control and treatment of each batch. Units are in one batch only, and the shares of a batch
            were fixed before its outcomes were seen.
        kind: `proportion` for 0 or 1 per unit, `mean` for any number.
        confidence: Coverage of the interval.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.

    References:
        Zhang, Janson, Murphy (2020), NeurIPS 33, 9818-9829; arXiv 2002.03217v3, batched OLS. For the variance of a
        rate difference: Farrington, Manning (1990), Statistics in Medicine 9, 1447-1454, method 3.
    """
    tail = tail_of(confidence, sides=2)
    refusal = why_not_added_up(batches, kind)
    if refusal is not None:
        return refusal
    used = [pair for pair in batches if min(arm.n for arm in pair) >= MIN_UNITS and _has_spread(*pair, kind)]
    if not used:
        enough = any(min(arm.n for arm in pair) >= MIN_UNITS for pair in batches)
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE if enough else UnavailableReason.TOO_FEW_UNITS,
            detail=f"none of {len(batches)} batches has {MIN_UNITS} units in each arm and any spread",
        )
    data = BatchMoments.of(used)
    estimate = (_of_proportions if kind == "proportion" else _of_means)(data, tail=tail, confidence=confidence)
    return BatchedDifference(
        estimate=estimate, z=estimate.value / estimate.se, batches=len(used), left_out=len(batches) - len(used)
    )


def _has_spread(control: Moments, treatment: Moments, kind: Kind) -> bool:
    if kind == "mean":
        return not (control.is_constant and treatment.is_constant)
    return 0 < successes_of(control) + successes_of(treatment) < control.n + treatment.n


def _of_means(data: BatchMoments, *, tail: float, confidence: float) -> Estimate:
    dof = data.n_control + data.n_treatment - 2
    value, se = combined(
        data.difference,
        np.sqrt((data.m2_control + data.m2_treatment) / dof * (1 / data.n_control + 1 / data.n_treatment)),
    )
    scale, dof_of_sum = _sum_of_ts(dof)
    half = t_isf(tail, dof_of_sum) * scale * se
    return Estimate(
        value=value,
        se=se,
        lower=value - half,
        upper=value + half,
        p_value=2 * t_sf(abs(value) / se / scale, dof_of_sum),
        confidence=confidence,
        method="batched OLS, Student t",
    )


def _sum_of_ts(dof: Floats) -> tuple[float, float]:
    """Scale and degrees of freedom of the t that a sum of independent ts over the root of their number is.

    It has the sum's variance and kurtosis: with one batch it is that batch's t, with many the normal.
    """
    variance = dof / (dof - 2)
    excess = float(np.sum(6 / (dof - 4) * variance**2) / np.sum(variance) ** 2)
    dof_of_sum = 4 + 6 / excess
    return math.sqrt(float(np.mean(variance)) * (dof_of_sum - 2) / dof_of_sum), dof_of_sum


def _of_proportions(data: BatchMoments, *, tail: float, confidence: float) -> Estimate:
    pooled = data.events / (data.n_control + data.n_treatment)
    value, se = combined(data.difference, np.sqrt(pooled * (1 - pooled) * (1 / data.n_control + 1 / data.n_treatment)))
    z = normal_isf(tail)
    return Estimate(
        value=value,
        se=se,
        lower=_difference_at(data, z),
        upper=_difference_at(data, -z),
        p_value=2 * normal_sf(abs(value) / se),
        confidence=confidence,
        method="batched OLS, pooled z, score interval",
    )


def _difference_at(data: BatchMoments, z: float) -> float:
    """The rate difference that the data are `z` standard errors above."""

    def beyond(difference: float) -> float:
        control = likeliest_control_rate(data, difference)
        treatment = control + difference
        variance = control * (1 - control) / data.n_control + treatment * (1 - treatment) / data.n_treatment
        return float(np.sum((data.difference - difference) / np.sqrt(variance))) / math.sqrt(len(variance)) - z

    # It falls as the difference grows. At -1 and 1 no variance is left, so the search ends just before them.
    edge = 1 - 1e-9
    if beyond(-edge) <= 0:
        return -1.0
    if beyond(edge) >= 0:
        return 1.0
    return root(beyond, -edge, edge)
