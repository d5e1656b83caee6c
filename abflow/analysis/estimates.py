"""Two samples become an estimate, a lift or the bounds of a margin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from abflow.analysis.samples import Sample
from abflow.stats.cuped_margins import cuped_margin_bounds
from abflow.stats.means import difference_in_means, relative_lift
from abflow.stats.noninferiority import MarginBounds, margin_bounds
from abflow.stats.proportions import difference_in_proportions
from abflow.stats.quantile_margins import quantile_margin_bounds
from abflow.stats.quantiles import difference_in_quantiles, relative_quantile_lift
from abflow.stats.result import Estimate, Unavailable


def difference(control: Sample, treatment: Sample, *, confidence: float) -> Estimate | Unavailable:
    """Treatment minus control, by the test of the metric's kind."""
    if (missing := control.missing or treatment.missing) is not None:
        return missing
    if control.rows and treatment.rows:
        return difference_in_quantiles(control.rows, treatment.rows, control.q, confidence=confidence)
    if control.is_rate and treatment.is_rate:
        return difference_in_proportions(control.moments, treatment.moments, confidence=confidence)
    found = difference_in_means(control.moments, treatment.moments, confidence=confidence)
    if isinstance(found, Unavailable) or not treatment.made_by:
        return found
    return replace(found, method=f"{treatment.made_by}, {found.method}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """How many times larger the treatment is, minus 1.

    Attributes:
        other_ends: Of Fieller's interval, where it may disagree with the estimate's own.
    """

    estimate: Estimate
    other_ends: tuple[float, float] | None = None


def lift(control: Sample, treatment: Sample, *, confidence: float) -> Lift | Unavailable:
    """Treatment over control minus 1: for reading, never for deciding."""
    if (missing := control.missing or treatment.missing) is not None:
        return missing
    if control.rows and treatment.rows:
        found = relative_quantile_lift(control.rows, treatment.rows, control.q, confidence=confidence)
        return found if isinstance(found, Unavailable) else Lift(estimate=found)
    relative = relative_lift(control.moments, treatment.moments, confidence=confidence)
    if isinstance(relative, Unavailable):
        return relative
    if relative.unstable and not isinstance(relative.fieller, Unavailable):
        return Lift(estimate=relative.estimate, other_ends=relative.fieller)
    return Lift(estimate=relative.estimate)


def bounds(
    control: Sample,
    treatment: Sample,
    *,
    sign: Literal[1, -1],
    margin: float,
    relative: bool,
    confidence: float,
) -> MarginBounds | Unavailable:
    """One-sided bounds of the effect plus its margin; two constant arms can still be within a margin."""
    if (missing := control.missing or treatment.missing) is not None:
        return missing
    if control.rows and treatment.rows:
        return quantile_margin_bounds(
            control.rows, treatment.rows, control.q, sign=sign, margin=margin, relative=relative, confidence=confidence
        )
    if control.cuped and treatment.cuped:
        return cuped_margin_bounds(
            control.cuped, treatment.cuped, sign=sign, margin=margin, relative=relative, confidence=confidence
        )
    return margin_bounds(
        control.moments,
        treatment.moments,
        kind="proportion" if control.is_rate and treatment.is_rate else "mean",
        sign=sign,
        margin=margin,
        relative=relative,
        confidence=confidence,
    )
