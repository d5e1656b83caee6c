"""What single units of a phase did, for whoever draws new experiments from them or leaves one of them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abflow.stats.unit_rows import UnitRows

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitRecords:
    """What every mature unit did in one metric: of a phase in which all got the same, or of one arm.

    Attributes:
        numbers: Shape (units,), of a ratio (units, 2); None of a quantile. Under the metric's cap.
        before: The same of what they did before they were exposed, under the same cap; None where nobody knows it.
        history_days: Days before the phase whose logs that was read from.
        cap: The metric's cap in the phase; None without one.
        rows: Of a quantile, the rows of the units.
        who: The numbers of these units among all that were read, ascending; None where they are all of them.
    """

    numbers: Values | None = None
    before: Values | None = None
    history_days: int = 0
    cap: float | None = None
    rows: UnitRows | None = None
    who: NDArray[np.int64] | None = None

    @property
    def units(self) -> int:
        """How many units there are."""
        if self.rows is not None:
            return self.rows.per_unit.size
        return 0 if self.numbers is None else len(self.numbers)


def pooled_records(arms: Sequence[UnitRecords]) -> UnitRecords:
    """Several variants as one arm, in a metric that is no quantile."""
    befores = [arm.before for arm in arms if arm.before is not None]
    return UnitRecords(
        numbers=np.concatenate([arm.numbers for arm in arms if arm.numbers is not None]),
        before=np.concatenate(befores) if len(befores) == len(arms) else None,
    )
