"""Does the answer hang on one unit? Leave out the one that moves the effect most, and look again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from abflow.analysis.methods.question import Answer
from abflow.analysis.reading import Reading
from abflow.analysis.readout import Deciding
from abflow.analysis.samples import Sample
from abflow.analysis.unit_records import UnitRecords
from abflow.analysis.wording import effect, interval, p_value
from abflow.spec.metrics import Metric
from abflow.stats.influence import Side, most_influential
from abflow.stats.moments import linearised
from abflow.stats.permutation import permutation_test
from abflow.stats.result import Estimate, Unavailable

LARGEST_UNIT_MOVES = 0.5  # standard errors of the effect; beyond, one unit carries too much of it
SEED = 1  # any: the same data give the same p-value

UnitValues = Callable[[], Mapping[str, UnitRecords]]  # the units of every arm, fetched when they are needed


@dataclass(frozen=True, slots=True, kw_only=True)
class OneUnit:
    """What one unit does to the answer.

    Attributes:
        decides: Whether the answer would be another one without it, or without trusting it to be normal.
        note: What a reader should know of it, or None.
        permutation_p: The p-value that does not need the units to be normal, where it was asked for.
    """

    decides: bool
    note: str | None = None
    permutation_p: float | None = None


def one_unit(
    metric: Metric,
    answer: Answer,
    control: Sample,
    treatment: Sample,
    *,
    reading: Reading,
    values: UnitValues | None,
    splits: int,
) -> OneUnit:
    """Compare the answer with the one that the most influential unit's absence would give.

    After CUPED that unit is known by nobody who has not seen what every unit did before; where nobody can fetch it,
    nothing is said.

    Args:
        metric: The primary.
        answer: What all units give.
        control: The control's units.
        treatment: The arm's units.
        reading: The plan.
        values: The metric's units by arm; None where nobody can fetch them.
        splits: Random splits of the permutation test.
    """
    units: dict[str, NDArray[np.float64]] = {}
    if treatment.cuped:
        if values is None:
            return OneUnit(decides=False)
        units = _as_compared(values(), control, treatment)
        control, treatment = (_between(arm, units[arm.variant]) for arm in (control, treatment))
    whole = reading.question(control, treatment)
    if isinstance(whole, Unavailable):
        return OneUnit(decides=True)

    def without(arm: Side, unit: float) -> tuple[Sample, Sample]:
        return (
            (without_unit(control, unit), treatment) if arm == "control" else (control, without_unit(treatment, unit))
        )

    def left(arm: Side, sample: Sample) -> dict[float, Estimate | Unavailable]:
        return {unit: _effect(reading, *without(arm, unit)) for unit in (sample.lowest, sample.highest)}

    found = most_influential(whole.effect, control=left("control", control), treatment=left("treatment", treatment))
    if isinstance(found.without, Unavailable):
        return OneUnit(decides=True, note=f"Without one unit there is no effect: {found.without.detail}.")
    again = reading.answer(*without(found.arm, found.unit))
    changes = isinstance(again, Unavailable) or again.word is not answer.word
    if found.standard_errors <= LARGEST_UNIT_MOVES:
        return OneUnit(decides=changes)
    note = with_and_without(metric, found.estimate, found.without)
    if values and not units:
        units = _as_compared(values(), control, treatment)
    permuted = _permuted(units, control, treatment, splits)
    if permuted is None:
        return OneUnit(decides=changes, note=f"{note}.")
    alpha = reading.spec.arm_alpha
    disagree = (permuted < alpha) is not (whole.strict.p_value < alpha)
    return OneUnit(
        decides=changes or disagree,
        note=f"{note}; the studentised permutation test says p {p_value(permuted)}.",
        permutation_p=permuted,
    )


def with_and_without(metric: Metric, whole: Estimate | Deciding, rest: Estimate | Deciding) -> str:
    """What one unit does to the effect, for a reader."""
    moved = effect(metric, abs(whole.value - rest.value))
    left = f"{effect(metric, rest.value)} ({interval(metric, rest.lower, rest.upper)})"
    return (
        f"One unit moves the effect by {moved}, more than half its standard error: "
        f"{effect(metric, whole.value)} with it, {left} without"
    )


def without_unit(sample: Sample, value: float) -> Sample:
    """The sample without one unit of this value; CUPED's coefficient stays that of all units."""
    return replace(sample, moments=sample.moments.without(value)) if sample.moments.n else sample


def _effect(reading: Reading, control: Sample, treatment: Sample) -> Estimate | Unavailable:
    asked = reading.question(control, treatment)
    return asked if isinstance(asked, Unavailable) else asked.effect


def _as_compared(
    records: Mapping[str, UnitRecords], control: Sample, treatment: Sample
) -> dict[str, NDArray[np.float64]]:
    """One number per unit of both arms, whose mean is what is compared."""
    found = {}
    for arm in (control, treatment):
        record = records[arm.variant]
        number = _one_number(record.numbers)
        if arm.cuped and record.before is not None:
            number = number - arm.cuped.theta * (_one_number(record.before) - arm.cuped.centre)
        found[arm.variant] = number
    return found


def _one_number(numbers: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """A ratio's units are linearised."""
    if numbers is None:
        return np.empty(0)
    return linearised(numbers) if numbers.ndim == 2 else numbers


def _between(sample: Sample, units: NDArray[np.float64]) -> Sample:
    """The sample with the outermost of its units after CUPED."""
    return replace(sample, lowest=float(units.min()), highest=float(units.max())) if units.size else sample


def _permuted(
    units: Mapping[str, NDArray[np.float64]], control: Sample, treatment: Sample, splits: int
) -> float | None:
    if not units:
        return None
    found = permutation_test(units[control.variant], units[treatment.variant], seed=SEED, draws=splits)
    return None if isinstance(found, Unavailable) else found.p_value
