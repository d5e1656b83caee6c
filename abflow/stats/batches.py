"""Days, or other batches, in which two arms had different shares: each is read on its own, then they are added up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abflow.stats.contrast import why_not_comparable
from abflow.stats.means import MIN_UNITS
from abflow.stats.moments import Moments
from abflow.stats.proportions import why_not_rates
from abflow.stats.result import Unavailable, UnavailableReason

Kind = Literal["proportion", "mean"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMoments:
    """The batches used, one element of each array per batch.

    Attributes:
        n_control: Units of control.
        n_treatment: Units of the arm.
        control: Mean of control.
        treatment: Mean of the arm.
        m2_control: Centred sum of squares of control.
        m2_treatment: The same of the arm.
    """

    n_control: Floats
    n_treatment: Floats
    control: Floats
    treatment: Floats
    m2_control: Floats
    m2_treatment: Floats

    @classmethod
    def of(cls, used: Sequence[tuple[Moments, Moments]]) -> BatchMoments:
        """The same, of at least one batch.

        Args:
            used: Control and treatment of each batch.
        """
        rows = [(c.n, t.n, c.mean, t.mean, c.m2, t.m2) for c, t in used]
        n_control, n_treatment, control, treatment, m2_control, m2_treatment = np.array(rows, dtype=np.float64).T
        return cls(
            n_control=n_control,
            n_treatment=n_treatment,
            control=control,
            treatment=treatment,
            m2_control=m2_control,
            m2_treatment=m2_treatment,
        )

    @property
    def difference(self) -> Floats:
        """Treatment minus control."""
        return self.treatment - self.control

    @property
    def events(self) -> Floats:
        """Of rates, units of both arms that had the event."""
        return self.n_control * self.control + self.n_treatment * self.treatment


def why_not_added_up(batches: Sequence[tuple[Moments, Moments]], kind: Kind) -> Unavailable | None:
    """Why no batch can be read, or None when they can; those with fewer than 10 units in an arm are not looked at.

    Args:
        batches: Control and treatment of each batch.
        kind: `proportion` for 0 or 1 per unit, `mean` for any number.
    """
    if not batches:
        return Unavailable(reason=UnavailableReason.NO_UNITS, detail="there is no batch yet")
    for number, (control, treatment) in enumerate(batches, start=1):
        if min(control.n, treatment.n) < MIN_UNITS:
            continue
        check = (
            why_not_rates(control, treatment)
            if kind == "proportion"
            else why_not_comparable(control, treatment, min_units=MIN_UNITS)
        )
        if check is not None:
            return Unavailable(reason=check.reason, detail=f"batch {number}: {check.detail}")
    return None


def combined(value: Floats, se: Floats) -> tuple[float, float]:
    """Σ (θ_b / se_b) / Σ (1 / se_b), and the standard error of which that is Z = Σ Z_b / sqrt(B) away from 0.

    Args:
        value: Estimate θ_b of each batch, at least one.
        se: Their standard errors, above 0.

    References:
        Zhang, Janson, Murphy (2020), NeurIPS 33, 9818-9829; arXiv 2002.03217v3, batched OLS.
    """
    precision = float(np.sum(1 / se))
    return float(np.sum(value / se)) / precision, math.sqrt(len(se)) / precision


def likeliest_control_rate(data: BatchMoments, difference: float) -> Floats:
    """Maximum-likelihood control rate of each batch if the treatment's is higher by `difference`.

    References:
        Farrington, Manning (1990), method 3 and appendix: the middle root of a cubic, here in shares of the
        batch's units.
    """
    units = data.n_control + data.n_treatment
    share, events = data.n_control / units, data.events / units
    own_events = share * data.control
    square = (1 + share) * difference - 1 - events
    linear = (share * difference - 1 - 2 * own_events) * difference + events
    constant = own_events * difference * (1 - difference)
    bend = square**3 / 27 - square * linear / 6 + constant / 2
    # Next to a difference of 1 the three roots are one, and rounding would make their distance imaginary.
    spread = np.copysign(np.sqrt(np.maximum(square**2 / 9 - linear / 3, 1e-100)), bend)
    angle = (math.pi + np.arccos(np.clip(bend / spread**3, -1, 1))) / 3
    # Rounding may leave the range in which both rates are rates, where no variance is negative.
    rate: Floats = 2 * spread * np.cos(angle) - square / 3
    return rate.clip(max(0.0, -difference), min(1.0, 1 - difference))
