"""Population and plan become comparisons: estimates first, then families, then words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from abflow.analysis import estimates
from abflow.analysis.entry_batches import entry_batches
from abflow.analysis.estimating import estimated
from abflow.analysis.families import Key, adjusted
from abflow.analysis.looks import ArmLook, Look, arm_look, at_cut_off
from abflow.analysis.margins import word_of
from abflow.analysis.population import Contamination, Population
from abflow.analysis.primary import judged
from abflow.analysis.reading import Reading
from abflow.analysis.readout import ArmSummary, Comparison, Word
from abflow.analysis.samples import Sample, Samples, samples_of
from abflow.analysis.sequence import interval_of, p_value_of
from abflow.analysis.standings import with_standings
from abflow.analysis.unit_records import UnitRecords
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import ProportionMetric, Role
from abflow.stats.multiplicity import holm
from abflow.stats.permutation import DRAWS
from abflow.stats.result import Estimate, Unavailable

Values = Callable[[str, Contamination], Mapping[str, UnitRecords]]


def compare(
    spec: ExperimentSpec,
    population: Population,
    *,
    contamination: Contamination,
    look: Look | None = None,
    values: Values | None = None,
    splits: int = DRAWS,
) -> tuple[Comparison, ...]:
    """Every metric in every treatment against control, with the word that it has earned.

    Args:
        spec: The experiment.
        population: The mature units at this look.
        contamination: What to do with units seen in two variants.
        look: Where the plan stands; by default at the cut-off of a test that is read once.
        values: Fetches a metric's units by arm, for a test that needs them one by one.
        splits: Random splits of such a test.
    """
    look = look or at_cut_off(spec)
    samples = {name: samples_of(spec, population, name, contamination) for name in spec.metrics}
    looks = {arm: _look_of(spec, look, samples[spec.primary_name], arm, contamination) for arm in spec.treatments}
    raw = [
        estimated(spec, population, samples[name], name, arm, contamination, look=looks[arm])
        for name in spec.metrics
        for arm in spec.treatments
    ]
    p_values = _p_values(spec, raw, samples, looks)
    corrected = adjusted(spec, p_values)
    found = []
    for comparison in raw:
        key = (comparison.metric, comparison.arm)
        if comparison.role is Role.GUARDRAIL:
            found.append(replace(comparison, word=word_of(comparison.margin)))
        elif comparison.role is not Role.PRIMARY:
            read = _watched(spec, comparison, samples[key[0]], looks[key[1]])
            found.append(_secondary(spec, read, corrected.get(key)) if read.role.planned else read)
        else:
            reading = Reading(
                spec=spec,
                mde=comparison.mde,
                look=looks[comparison.arm],
                adjust=partial(_among, spec, p_values, key),
                batches=entry_batches(spec, population, comparison.metric, comparison.arm, contamination),
            )
            control, treatment = (samples[key[0]][arm] for arm in (spec.control_name, key[1]))
            fetch = partial(values, key[0], contamination) if values else None
            found.append(judged(comparison, control, treatment, reading=reading, values=fetch, splits=splits))
    return with_standings(spec, found, samples[spec.primary_name])


def difference(
    spec: ExperimentSpec, population: Population, name: str, arm: str, *, contamination: Contamination
) -> Estimate | Unavailable:
    """One metric in one arm minus control as it is, without CUPED, or why it cannot be computed."""
    samples = samples_of(spec, population, name, contamination, take_history_off=False)
    return estimates.difference(samples[spec.control_name], samples[arm], confidence=1 - spec.analysis.alpha)


def beats(spec: ExperimentSpec, arm: ArmSummary, others: Sequence[ArmSummary]) -> tuple[bool, ...]:
    """Which of the other arms this one is shown to be ahead of on the primary; Holm over them, for ranking only.

    None where the allocation followed the data: the arms are compared with control day by day, and their sums would
    compare different days.
    """
    if spec.allocation == "thompson":
        return (False,) * len(others)
    is_rate = isinstance(spec.primary, ProportionMetric) and not arm.is_adjusted
    mine, *theirs = (
        Sample(variant=one.variant, moments=one.moments, plain=one.moments, is_rate=is_rate) for one in (arm, *others)
    )
    found = [estimates.difference(other, mine, confidence=1 - spec.analysis.alpha) for other in theirs]
    corrected = holm([1.0 if isinstance(estimate, Unavailable) else estimate.p_value for estimate in found])
    return tuple(
        isinstance(estimate, Estimate) and p < spec.analysis.alpha and estimate.value * spec.primary.sign > 0
        for estimate, p in zip(found, corrected, strict=True)
    )


def _look_of(spec: ExperimentSpec, look: Look, primary: Samples, arm: str, contamination: Contamination) -> ArmLook:
    units = {each: primary[each].moments.n for each in (spec.control_name, arm)}
    return arm_look(spec, look, arm, units, contamination=contamination)


def _p_values(
    spec: ExperimentSpec, raw: Sequence[Comparison], samples: Mapping[str, Samples], looks: Mapping[str, ArmLook]
) -> dict[Key, float]:
    """What the families correct: always-valid p-values where the test may end at any look."""
    found = {}
    for comparison in raw:
        if isinstance(comparison.effect, Unavailable):
            continue
        p: float | Unavailable = comparison.effect.p_value
        if spec.analysis.is_sequential:
            control, treatment = (samples[comparison.metric][arm] for arm in (spec.control_name, comparison.arm))
            p = p_value_of(comparison.effect, control, treatment, looks[comparison.arm], alpha=spec.analysis.alpha)
        if not isinstance(p, Unavailable):
            found[comparison.metric, comparison.arm] = p
    return found


def _among(spec: ExperimentSpec, p_values: Mapping[Key, float], key: Key, p: float) -> float:
    """One p-value in the place of the family's own."""
    return adjusted(spec, {**p_values, key: p})[key]


def _watched(spec: ExperimentSpec, comparison: Comparison, samples: Samples, look: ArmLook) -> Comparison:
    """What never decides, by an interval that holds at every look where the test may end at any."""
    effect = comparison.effect
    if isinstance(effect, Unavailable) or not spec.analysis.is_sequential:
        return comparison
    deciding = interval_of(effect, samples[spec.control_name], samples[comparison.arm], look, alpha=spec.analysis.alpha)
    if isinstance(deciding, Unavailable):
        return replace(comparison, effect=deciding)
    return replace(comparison, deciding=deciding)


def _secondary(spec: ExperimentSpec, comparison: Comparison, p: float | None) -> Comparison:
    """A secondary's word."""
    effect = comparison.effect
    if isinstance(effect, Unavailable):
        return comparison
    gain = effect.value * spec.metrics[comparison.metric].sign
    word = Word.UNCLEAR
    if p is not None and p < spec.analysis.alpha and gain:
        word = Word.BETTER if gain > 0 else Word.WORSE
    return replace(comparison, adjusted_p=p, corrected_by=spec.analysis.correction, word=word)
