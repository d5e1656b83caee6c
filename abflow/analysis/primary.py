"""The primary in one arm: its word, its precision, and whether it hangs on one unit."""

from __future__ import annotations

from dataclasses import replace

from abflow.analysis.fragile_batches import one_unit_of_a_day
from abflow.analysis.fragility import UnitValues, one_unit
from abflow.analysis.looks import Crossed
from abflow.analysis.precision import precision_of
from abflow.analysis.reading import Reading
from abflow.analysis.readout import Comparison
from abflow.analysis.samples import Sample
from abflow.spec.metrics import ProportionMetric, QuantileMetric
from abflow.stats.result import Estimate, Unavailable


def judged(
    comparison: Comparison,
    control: Sample,
    treatment: Sample,
    *,
    reading: Reading,
    values: UnitValues | None,
    splits: int,
) -> Comparison:
    """The primary's comparison with the word that it has earned.

    Args:
        comparison: What was estimated.
        control: The control's units.
        treatment: The arm's units.
        reading: The plan.
        values: The metric's units, for a permutation test where one of them carries much of the effect.
        splits: Random splits of that test.
    """
    effect = comparison.effect
    if isinstance(effect, Unavailable):
        return comparison
    answer = reading.answer(control, treatment)
    if isinstance(answer, Unavailable):  # the effect is known, but the plan's method cannot judge it
        return replace(comparison, effect=answer)
    crossed = reading.look.crossed
    comparison = replace(
        comparison,
        word=crossed.word if crossed else answer.word,
        deciding=crossed.deciding if crossed else answer.deciding,
        adjusted_p=answer.adjusted_p,
        corrected_by=answer.corrected_by,
        posterior=answer.posterior,
        spent=answer.spent,
        mde_excluded=answer.mde_excluded and not crossed,
        notes=(*comparison.notes, *answer.notes),
    )
    comparison = _with_precision(comparison, effect, reading)
    metric = reading.spec.primary
    if isinstance(metric, ProportionMetric | QuantileMetric):
        return comparison
    if crossed:
        confirmed = not crossed.fragile or _is_shown_anew(crossed, control, treatment, reading, values, splits)
        return replace(comparison, fragile=not confirmed)
    if reading.batches:
        found = one_unit_of_a_day(metric, answer, effect, control, treatment, reading=reading)
    else:
        found = one_unit(metric, answer, control, treatment, reading=reading, values=values, splits=splits)
    return replace(
        comparison,
        fragile=found.decides,
        permutation_p=found.permutation_p,
        notes=(*comparison.notes, *([found.note] if found.note else [])),
    )


def _is_shown_anew(
    crossed: Crossed, control: Sample, treatment: Sample, reading: Reading, values: UnitValues | None, splits: int
) -> bool:
    """Whether an answer that hung on one unit at an earlier look is shown now, and hangs on none."""
    anew = replace(reading, look=replace(reading.look, crossed=None))
    answer = anew.answer(control, treatment)
    if isinstance(answer, Unavailable) or answer.word is not crossed.word:
        return False
    metric = reading.spec.primary
    return not one_unit(metric, answer, control, treatment, reading=anew, values=values, splits=splits).decides


def _with_precision(comparison: Comparison, effect: Estimate, reading: Reading) -> Comparison:
    """Only where the plan fixes the units beforehand; a method that may stop at any look has no such promise."""
    spec = reading.spec
    if spec.analysis.method not in ("fixed_horizon", "bayesian") or not comparison.mde:
        return comparison
    found = precision_of(
        mde=comparison.mde,
        se=effect.se,
        alpha=spec.arm_alpha,
        power=spec.analysis.power,
        units_per_arm=(comparison.control.units + comparison.treatment.units) / 2,
    )
    return replace(comparison, precision=found)
