"""Is an arm at most a margin worse, after CUPED? One-sided bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from abflow.stats.cuped import CupedArm
from abflow.stats.means import MIN_UNITS
from abflow.stats.noninferiority import MarginBounds, margin_bounds
from abflow.stats.result import Unavailable


def cuped_margin_bounds(
    control: CupedArm,
    treatment: CupedArm,
    *,
    sign: Literal[1, -1],
    margin: float,
    relative: bool,
    confidence: float = 0.95,
    min_units: int = MIN_UNITS,
) -> MarginBounds | Unavailable:
    """One-sided bounds of the adjusted effect plus its margin.

    An absolute margin is `margin_bounds` on the adjusted arms. A relative margin r needs the variance of
    m_t - (1 - s·r) m_c - θ (x_t - x_c): the control's outcome is scaled and its covariate is not, so
    that the adjusted arms do not say it. Taken from them it is too small by about r²·rho²/(2 - 2 rho²) of itself.

    Args:
        control: Of one `Cuped`.
        treatment: Of the same one.
        sign: +1 when more is better, -1 when less is better.
        margin: The loss allowed, with or without its sign.
        relative: Whether the margin is a share of the control mean.
        confidence: Of each bound on its own.
        min_units: Fewest units per arm.

    Raises:
        SpecError: The margin is not finite, or the confidence not between 0.5 and 1.

    References:
        Deng, Xu, Kohavi, Walker (2013), WSDM, 123-132, section 3.2, equations 4 and 7.
    """
    plain = margin_bounds(
        control.adjusted,
        treatment.adjusted,
        kind="mean",
        sign=sign,
        margin=margin,
        relative=relative,
        confidence=confidence,
        min_units=min_units,
    )
    if not relative or isinstance(plain, Unavailable):
        return plain
    contrast = margin_bounds(
        control.pair.linear((1 - sign * abs(margin), -control.theta)),
        treatment.pair.linear((1, -treatment.theta)),
        kind="mean",
        sign=sign,
        margin=0,
        relative=False,
        confidence=confidence,
        min_units=min_units,
    )
    return (
        contrast
        if isinstance(contrast, Unavailable)
        else replace(plain, slack=contrast.slack, p_value=contrast.p_value)
    )
