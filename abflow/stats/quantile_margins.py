"""Is a quantile at most a margin worse than the control's? One-sided bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from abflow.errors import SpecError
from abflow.stats.log_histogram import Floats
from abflow.stats.means import MIN_UNITS
from abflow.stats.noninferiority import Bounds, MarginBounds
from abflow.stats.quantile_interval import ArmQuantile, combined_ends, quantiles_of_both
from abflow.stats.quantile_rows import QuantileRows
from abflow.stats.result import Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf, normal_sf, tail_of


def quantile_margin_bounds(
    control: QuantileRows,
    treatment: QuantileRows,
    q: float,
    *,
    sign: Literal[1, -1],
    margin: float,
    relative: bool,
    confidence: float = 0.95,
    min_units: int = MIN_UNITS,
) -> MarginBounds | Unavailable:
    """One-sided bounds of the difference of quantiles plus its margin; plus is good.

    As for means, an absolute margin d is tested on s·Q_t - s·Q_c + |d| and a relative margin r on
    s·Q_t - (s - |r|)·Q_c, here with the arms' one-sided Woodruff bounds combined by MOVER.

    Args:
        control: Rows around the control's quantile; those around the pooled one are not read.
        treatment: The same of the other arm.
        q: Level of the quantile, such as 0.95.
        sign: +1 when more is better, -1 when less is better, as of a latency.
        margin: The loss allowed, with or without its sign, in the unit of the rows or as a share.
        relative: Whether the margin is a share of the control's quantile.
        confidence: Of each bound on its own.
        min_units: Fewest units per arm.

    Raises:
        SpecError: The margin is not finite, or the level or the confidence is impossible.

    References:
        Zou, Donner (2008), Statistics in Medicine 27, 1693-1702.
    """
    if not math.isfinite(margin):
        raise SpecError(f"margin {margin:g} is not a finite number; give the loss that is acceptable")
    arms = quantiles_of_both(control, treatment, q, confidence=confidence, sides=1, min_units=min_units)
    if isinstance(arms, Unavailable):
        return arms
    baseline, size = arms[0].value, abs(margin)
    if relative and baseline < 0:
        return Unavailable(
            reason=UnavailableReason.METHOD_NOT_VALID_HERE,
            detail=f"the control's quantile {baseline:g} is negative, so a relative margin has no direction; "
            "give an absolute margin",
        )
    z = normal_isf(tail_of(confidence, sides=1))
    slack = _Contrast(
        weight_control=sign - size if relative else sign, weight_treatment=sign, shift=0 if relative else size
    )
    effect = _Contrast(weight_control=sign, weight_treatment=sign, shift=0)
    return MarginBounds(
        slack=slack.bounds(*arms, z=z),
        effect=effect.bounds(*arms, z=z),
        margin=size * baseline if relative else size,
        p_value=_p_of(slack, (control, arms[0]), (treatment, arms[1]), q),
        confidence=confidence,
        method="Woodruff bounds combined by MOVER",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contrast:
    """weight_treatment · treatment - weight_control · control + shift, against 0."""

    weight_control: float
    weight_treatment: float
    shift: float

    def value(self, control: ArmQuantile, treatment: ArmQuantile) -> float:
        return self.weight_treatment * treatment.value - self.weight_control * control.value + self.shift

    def bounds(self, control: ArmQuantile, treatment: ArmQuantile, *, z: float) -> Bounds:
        lower, upper = combined_ends(
            control, treatment, weight_control=self.weight_control, weight_treatment=self.weight_treatment
        )
        return Bounds(
            value=self.value(control, treatment),
            se=(upper - lower) / (2 * z),
            lower=lower + self.shift,
            upper=upper + self.shift,
        )


def _p_of(
    slack: _Contrast, control: tuple[QuantileRows, ArmQuantile], treatment: tuple[QuantileRows, ArmQuantile], q: float
) -> float:
    """The error level at which the bound on the side of 0 just touches it."""
    good = slack.value(control[1], treatment[1]) >= 0
    # Beyond the far end a level q ± z·se would leave the data; a smaller p-value than that one is not claimed.
    near, far = 0.0, min(min(q, 1 - q) / arm.level_se for _, arm in (control, treatment))
    curves = control[0].histogram.curve(), treatment[0].histogram.curve()
    # The bounds only widen with z, so halving finds the place; 20 halvings leave 1e-4 of a standard error.
    for _ in range(20):
        z = (near + far) / 2
        bounds = slack.bounds(_at(z, control[1], curves[0], q), _at(z, treatment[1], curves[1], q), z=z)
        near, far = (z, far) if (bounds.lower > 0 if good else bounds.upper < 0) else (near, z)
    return normal_sf(near if good else -near)


def _at(z: float, arm: ArmQuantile, curve: tuple[Floats, Floats], q: float) -> ArmQuantile:
    lower, upper = np.interp((q - z * arm.level_se, q + z * arm.level_se), *curve).tolist()
    return replace(arm, lower=lower, upper=upper)
