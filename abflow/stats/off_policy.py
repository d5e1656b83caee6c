"""What a policy would have earned, from the log of another policy that chose by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abflow.errors import DataError
from abflow.stats.contrast import variance_of_mean
from abflow.stats.importance_weights import effective_rows, sums_by_unit, weight_cautions, why_not_weights
from abflow.stats.means import MIN_UNITS, ratio_moments
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import t_isf, tail_of

Floats = NDArray[np.float64]
Method = Literal["ipw", "self_normalised", "doubly_robust"]
_NAMES: dict[Method, str] = {
    "ipw": "inverse propensity weighting",
    "self_normalised": "self-normalised inverse propensity weighting",
    "doubly_robust": "doubly robust",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPolicy:
    """Rows of a log in which the action was chosen by chance, and how another policy would choose.

    Attributes:
        reward: What the logged action earned, shape (rows,).
        propensity: Probability with which the logged action was chosen, above 0.
        target: Probability with which the policy in question would have chosen it.
        predicted: Predicted reward of the logged action; only for doubly robust, from other rows than this one.
        predicted_target: Predicted reward of the policy in question: its probabilities times the predictions,
            summed over all actions.
        unit: Which unit the row belongs to; None when every row is a unit of its own.
    """

    reward: ArrayLike
    propensity: ArrayLike
    target: ArrayLike
    predicted: ArrayLike | None = None
    predicted_target: ArrayLike | None = None
    unit: ArrayLike | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """Mean reward per row that a policy would have earned, and how much of the log speaks about it.

    Attributes:
        value: The estimate.
        se: Its standard error, with the unit as cluster.
        lower: Lower end of the interval.
        upper: Upper end of the interval.
        confidence: Coverage of the interval.
        effective_rows: (Σ w)² / Σ w², the rows an equally weighted log would need to say as much.
        rows: Rows in the log.
        units: Units in the log.
        largest_weight_share: Share of all weight on one row.
        mean_weight: About 1 when the propensities are true.
        cautions: What speaks against trusting the estimate, in sentences.
        method: Name of the estimator.
    """

    value: float
    se: float
    lower: float
    upper: float
    confidence: float
    effective_rows: float
    rows: int
    units: int
    largest_weight_share: float
    mean_weight: float
    cautions: Sequence[str]
    method: str


def policy_value(
    log: LoggedPolicy, *, method: Method = "self_normalised", confidence: float = 0.95
) -> PolicyValue | Unavailable:
    """Mean reward per row that another policy would have earned.

    With weights w = target / propensity: `ipw` is Σ w·r / rows, unbiased; `self_normalised` is Σ w·r / Σ w, a
    little biased and steadier; `doubly_robust` is Σ (predicted_target + w·(r - predicted)) / rows, unbiased
    when the propensities are true and steadier the better the predictions are. Each is a ratio of sums over
    units, and its variance that of the linearised units.

    Args:
        log: Rows with rewards and probabilities.
        method: Name of the estimator.
        confidence: Coverage of the interval, value ± t se with units - 1 degrees of freedom.

    Returns:
        The value; or why there is none. Refused are a propensity that is missing, 0 or above 1, fewer than 100
        effective rows, a row with more than 10 % of the weight, and fewer than 10 units.

    Raises:
        SpecError: The confidence is not between 0.5 and 1.
        DataError: Columns of different lengths, or predictions missing for `doubly_robust`.

    References:
        Saito, Aihara, Matsutani, Narita (2021), NeurIPS Datasets and Benchmarks, arXiv 2008.07146v5 (the
        estimators); Dudik, Langford, Li (2011), ICML (doubly robust); Kong (1992) (effective rows).
    """
    tail = tail_of(confidence, sides=2)
    rows = _rows(log, doubly_robust=method == "doubly_robust")
    refusal = _why_not_valid(rows)
    if refusal is not None:
        return refusal
    with np.errstate(over="ignore"):  # a weight beyond the largest double is refused below
        weights = rows.target / rows.propensity
    refusal = why_not_weights(weights)
    if refusal is not None:
        return refusal
    if method == "doubly_robust":
        earned, per = rows.predicted_target + weights * (rows.reward - rows.predicted), np.ones_like(weights)
    else:
        earned, per = weights * rows.reward, weights if method == "self_normalised" else np.ones_like(weights)
    by_unit = sums_by_unit(earned, per, rows.unit)
    if by_unit.n < MIN_UNITS:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"the log has {by_unit.n} units; a standard error needs at least {MIN_UNITS}",
        )
    linear = ratio_moments(by_unit, arm="the log")
    if isinstance(linear, Unavailable):
        return linear
    se = math.sqrt(variance_of_mean(linear))
    if se == 0:
        return Unavailable(
            reason=UnavailableReason.NO_VARIANCE, detail="every unit earned the same, so the value has no error"
        )
    half = t_isf(tail, linear.n - 1) * se
    return PolicyValue(
        value=linear.mean,
        se=se,
        lower=linear.mean - half,
        upper=linear.mean + half,
        confidence=confidence,
        effective_rows=effective_rows(weights),
        rows=len(weights),
        units=linear.n,
        largest_weight_share=float(weights.max() / weights.sum()),
        mean_weight=float(weights.mean()),
        cautions=weight_cautions(weights, rows.unit),
        method=_NAMES[method],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    reward: Floats
    propensity: Floats
    target: Floats
    predicted: Floats
    predicted_target: Floats
    unit: NDArray[np.int64]


def _rows(log: LoggedPolicy, *, doubly_robust: bool) -> _Rows:
    reward, propensity, target = (np.asarray(c, dtype=np.float64) for c in (log.reward, log.propensity, log.target))
    if doubly_robust and (log.predicted is None or log.predicted_target is None):
        raise DataError("doubly robust needs predicted and predicted_target; give both or ask for another method")
    nothing = np.zeros_like(reward)
    predicted, predicted_target = (
        np.asarray(column, dtype=np.float64) if doubly_robust and column is not None else nothing
        for column in (log.predicted, log.predicted_target)
    )
    unit = np.arange(len(reward)) if log.unit is None else np.unique(np.asarray(log.unit), return_inverse=True)[1]
    shapes = {column.shape for column in (reward, propensity, target, predicted, predicted_target, unit)}
    if len(shapes) > 1 or reward.ndim != 1:
        raise DataError(f"the columns of the log have shapes {sorted(shapes)}; give one number per row in each")
    return _Rows(
        reward=reward,
        propensity=propensity,
        target=target,
        predicted=predicted,
        predicted_target=predicted_target,
        unit=unit,
    )


def _why_not_valid(rows: _Rows) -> Unavailable | None:
    """Why a row of the log cannot be weighted, or None when all can."""
    if rows.reward.size == 0:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="the log has no rows")
    for name, column in (
        ("reward", rows.reward),
        ("propensity", rows.propensity),
        ("target probability", rows.target),
        ("prediction", rows.predicted),
        ("prediction for the target", rows.predicted_target),
    ):
        if bad := np.count_nonzero(~np.isfinite(column)):
            return Unavailable(
                reason=UnavailableReason.NOT_FINITE,
                detail=f"{bad} of {column.size} rows have a missing or infinite {name}",
            )
    # A row of propensity 0 cannot have been logged; its weight would be infinite.
    for name, column, possible in (
        ("propensity", rows.propensity, (rows.propensity > 0) & (rows.propensity <= 1)),
        ("target probability", rows.target, (rows.target >= 0) & (rows.target <= 1)),
    ):
        if not possible.all():
            return Unavailable(
                reason=UnavailableReason.METHOD_NOT_VALID_HERE,
                detail=f"{np.count_nonzero(~possible)} of {column.size} rows have an impossible {name}, such as "
                f"{column[~possible][0]:g}",
            )
    return None
