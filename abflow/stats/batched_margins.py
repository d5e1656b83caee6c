"""Is an arm at most a margin worse, after the shares of the arms followed the data? One test per batch, added up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from abflow.errors import SpecError
from abflow.stats.batches import BatchMoments, Floats, Kind, combined, likeliest_control_rate, why_not_added_up
from abflow.stats.contrast import Contrast
from abflow.stats.means import MIN_UNITS
from abflow.stats.moments import Moments
from abflow.stats.noninferiority import Bounds, MarginBounds
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, normal_sf, t_isf, t_sf, tail_of

# Units times variance of a contrast; that of one event among ten million units is 1e-7.
LEAST_SPREAD = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchedMargin:
    """Bounds from batches in which the arms had different shares.

    Attributes:
        bounds: What all batches say together.
        batches: Batches used.
        left_out: Batches with fewer than 10 units in an arm, or in which a loss of the margin leaves no spread.
    """

    bounds: MarginBounds
    batches: int
    left_out: int


def batched_margin_bounds(
    batches: Sequence[tuple[Moments, Moments]],
    *,
    kind: Kind,
    sign: Literal[1, -1],
    margin: float,
    relative: bool,
    confidence: float = 0.95,
) -> BatchedMargin | Unavailable:
    """One-sided bounds of the effect plus its margin, from batches in which the arms had different shares.

    Every batch has its contrast x_b = s·m_t - w·m_c + a: w = s and a = |d| for an absolute margin d, w = s - |r| and
    a = 0 for a relative margin r. They are added up as by `batched_difference`: Z = Σ x_b/se_b / sqrt(B) is normal when
    the loss is just the margin, whatever the baseline did.

    A rate's standard error is the one of a loss of just the margin, from the likeliest rates of which that is true: it
    is right for rare events, has width where no event was seen, and follows no arm's luck. A mean's is
    se_b² = v_t/n_t + w² v_c/n_c, with the variance v of an arm's units inside a batch, averaged over the batches: arms
    at the margin differ, so they must not share one, and a batch's own would be small whenever its mean is small.
    With one batch that is Welch's test. Where an arm's few purchases decide (50 in all), 8 to 10 % are called safe or
    harmed instead of 5 %.

    Args:
        batches: Control and treatment of each batch; of linearised units for a ratio.
        kind: `proportion` for 0 or 1 per unit, `mean` for any number.
        sign: +1 when more is better, -1 when less is better.
        margin: The loss allowed, with or without its sign, in the metric's unit or as a share.
        relative: Whether the margin is a share of the control mean.
        confidence: Of each bound on its own.

    Raises:
        SpecError: The margin is not finite, or the confidence not between 0.5 and 1.

    References:
        Zhang, Janson, Murphy (2020), NeurIPS 33, 9818-9829; arXiv 2002.03217v3, batched OLS. Rates at a given loss:
        Farrington, Manning (1990), Statistics in Medicine 9, 1447-1454, method 3; Miettinen, Nurminen (1985),
        Statistics in Medicine 4, 213-226, for a ratio of rates. Degrees of freedom: Welch (1947), Biometrika 34, 28-35.
    """
    tail = tail_of(confidence, sides=1)
    if not math.isfinite(margin):
        raise SpecError(f"margin {margin:g} is not a finite number; give the loss that is acceptable")
    size = abs(margin)
    refusal = why_not_added_up(batches, kind) or (
        _why_every_rate_is_within(sign, size, relative=relative) if kind == "proportion" else None
    )
    if refusal is not None:
        return refusal
    used = [pair for pair in batches if min(arm.n for arm in pair) >= MIN_UNITS]
    if not used:
        return Unavailable(
            reason=UnavailableReason.TOO_FEW_UNITS,
            detail=f"none of {len(batches)} batches has {MIN_UNITS} units in each arm",
        )
    data = BatchMoments.of(used)
    control_mean = float(np.sum(data.n_control * data.control) / np.sum(data.n_control))
    if relative and control_mean < 0:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"the control mean {control_mean:g} is negative, so a relative margin has no direction; "
            "give an absolute margin",
        )
    read: Callable[..., _Read | Unavailable] = _rates if kind == "proportion" else _means
    weight = sign - size if relative else float(sign)
    slack = read(data, sign=sign, weight=weight, shift=0.0 if relative else size)
    if isinstance(slack, Unavailable):
        return slack
    effect = read(data, sign=sign, weight=float(sign), shift=0.0) if relative else slack.less(size)
    if isinstance(effect, Unavailable):
        return effect
    return BatchedMargin(
        bounds=MarginBounds(
            slack=slack.bounds(tail),
            effect=effect.bounds(tail),
            margin=size * control_mean if relative else size,
            p_value=slack.p_value,
            confidence=confidence,
            method="batched OLS, score bounds" if kind == "proportion" else "batched OLS, Welch t bounds",
        ),
        batches=slack.batches,
        left_out=len(batches) - slack.batches,
    )


def _why_every_rate_is_within(sign: int, size: float, *, relative: bool) -> Unavailable | None:
    """A share of 1 or more is a margin for rates that may rise, and for no others."""
    if size < 1 or (relative and sign < 0):
        return None
    return Unavailable(
        reason=UnavailableReason.METHOD_NOT_VALID_HERE,
        detail=f"no rate can lose {size:g} or more, so nothing is beyond the margin; give one below 1",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """All batches added up; Student's t with infinitely many degrees of freedom is the normal."""

    value: float
    se: float
    dof: float
    batches: int

    @property
    def p_value(self) -> float:
        z = self.value / self.se
        return normal_sf(z) if math.isinf(self.dof) else t_sf(z, self.dof)

    def bounds(self, tail: float) -> Bounds:
        half = (normal_isf(tail) if math.isinf(self.dof) else t_isf(tail, self.dof)) * self.se
        return Bounds(value=self.value, se=self.se, lower=self.value - half, upper=self.value + half)

    def less(self, size: float) -> _Read:
        return replace(self, value=self.value - size)


def _rates(data: BatchMoments, *, sign: int, weight: float, shift: float) -> _Read | Unavailable:
    """The contrast sign · treatment - weight · control + shift, with the variance that it has where that is 0."""
    if shift:
        control = likeliest_control_rate(data, -sign * shift)
        treatment = control - sign * shift
    else:
        control = _likeliest_of_a_ratio(data, weight / sign)
        treatment = weight / sign * control
    variance = (
        weight * weight * control * (1 - control) / data.n_control + treatment * (1 - treatment) / data.n_treatment
    )
    # A rate of 0 or 1 in both arms comes out a rounding error away from it.
    spread = variance * (data.n_control + data.n_treatment) > LEAST_SPREAD
    if not spread.any():
        return _no_spread(data, "event, or only events")
    value, se = combined((sign * data.treatment - weight * data.control + shift)[spread], np.sqrt(variance[spread]))
    return _Read(value=value, se=se, dof=math.inf, batches=int(np.count_nonzero(spread)))


def _likeliest_of_a_ratio(data: BatchMoments, ratio: float) -> Floats:
    """Maximum-likelihood control rate of each batch if the treatment's is `ratio` times it.

    References:
        Miettinen, Nurminen (1985): the smaller root of a quadratic.
    """
    square = ratio * (data.n_control + data.n_treatment)
    linear = (
        data.n_control
        + ratio * data.n_treatment
        + data.n_treatment * data.treatment
        + ratio * data.n_control * data.control
    )
    # Written so that two large numbers are not subtracted where events are rare.
    under = np.sqrt(np.maximum(linear * linear - 4 * square * data.events, 0))
    rate: Floats = 2 * data.events / (linear + under)
    return rate.clip(0, min(1.0, 1 / ratio))


def _means(data: BatchMoments, *, sign: int, weight: float, shift: float) -> _Read | Unavailable:
    """The contrast sign · treatment - weight · control + shift, an arm's variance averaged over the batches."""
    var_control = weight * weight * float(np.mean(data.m2_control / (data.n_control - 1)))
    var_treatment = float(np.mean(data.m2_treatment / (data.n_treatment - 1)))
    contrast = Contrast(
        value=0.0,
        var_control=var_control * float(np.mean(1 / data.n_control)),
        var_treatment=var_treatment * float(np.mean(1 / data.n_treatment)),
        n_control=1 + _dof(data.n_control),
        n_treatment=1 + _dof(data.n_treatment),
    )
    if not contrast.se:
        return _no_spread(data, "spread")
    se = np.sqrt(var_control / data.n_control + var_treatment / data.n_treatment)
    value, se_of_all = combined(sign * data.treatment - weight * data.control + shift, se)
    return _Read(value=value, se=se_of_all, dof=contrast.dof, batches=len(se))


def _dof(n: Floats) -> int:
    """Degrees of freedom of an average of variances: as many as give its own variance."""
    return round(len(n) ** 2 / float(np.sum(1 / (n - 1))))


def _no_spread(data: BatchMoments, of_what: str) -> Unavailable:
    return Unavailable(
        reason=UnavailableReason.NO_VARIANCE, detail=f"none of {len(data.control)} batches shows any {of_what}"
    )
