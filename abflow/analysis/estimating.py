"""One metric in one arm against control: everything that is estimated before any word is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from abflow.analysis import by_batches, estimates
from abflow.analysis.entry_batches import entry_batches
from abflow.analysis.looks import ArmLook
from abflow.analysis.margins import margin_of
from abflow.analysis.population import Contamination, Population
from abflow.analysis.readout import ArmSummary, Base, Comparison
from abflow.analysis.samples import Batches, Sample, Samples, without_cuped
from abflow.analysis.second_estimate import within_days_of_entry
from abflow.analysis.wording import percent
from abflow.spec.built_in import is_built_in
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, ProportionMetric, QuantileMetric, Role
from abflow.stats.means import difference_in_means
from abflow.stats.moments import Moments
from abflow.stats.proportions import cohens_h, size_in_words
from abflow.stats.result import Estimate, Unavailable, UnavailableReason


def estimated(
    spec: ExperimentSpec,
    population: Population,
    samples: Samples,
    name: str,
    arm: str,
    contamination: Contamination,
    *,
    look: ArmLook,
) -> Comparison:
    """The effect, the lift, the margin's bounds and the second estimate of one metric in one arm.

    Args:
        spec: The experiment.
        population: Its units.
        samples: The metric in every arm.
        name: The metric.
        arm: The treatment.
        contamination: What to do with units seen in two variants.
        look: Where the plan stands, for bounds that must hold at every look.
    """
    metric, confidence = spec.metrics[name], 1 - spec.analysis.alpha
    control, treatment = samples[spec.control_name], samples[arm]
    batches = entry_batches(spec, population, name, arm, contamination)
    effect = _effect(control, treatment, batches, confidence=confidence)
    lift = effect if isinstance(effect, Unavailable) else _lift(control, treatment, batches, confidence=confidence)
    comparison = Comparison(
        metric=name,
        role=metric.role,
        arm=arm,
        contamination=contamination,
        control=_summary(control),
        treatment=_summary(treatment),
        effect=effect,
        relative=lift if isinstance(lift, Unavailable) else lift.estimate,
        fieller=None if isinstance(lift, Unavailable) else lift.other_ends,
        mde=metric.mde.in_units_of(control.plain.mean) if metric.mde else None,
        practical=metric.practical.in_units_of(control.plain.mean) if metric.practical else 0.0,
        margin=margin_of(
            metric,
            control,
            treatment,
            alpha=spec.arm_alpha if metric.role is Role.PRIMARY else spec.analysis.alpha,
            planned=look.horizon_units if spec.analysis.is_sequential else None,
            batches=batches,
        ),
        cap=control.cap,
        base=_base(control, treatment, confidence=confidence),
        notes=tuple(_notes(spec, metric)),
    )
    if isinstance(effect, Unavailable):
        return comparison
    comparison = _with_history(spec, comparison, samples, arm, confidence=confidence)
    second = within_days_of_entry(spec, population, name, arm, contamination, confidence=confidence)
    comparison = replace(comparison, stratified=second)
    if isinstance(metric, ProportionMetric):
        h = cohens_h(control.plain.mean, treatment.plain.mean)
        comparison = replace(comparison, cohens_h=h, cohens_h_in_words=size_in_words(h))
    return comparison


def _notes(spec: ExperimentSpec, metric: Metric) -> Iterator[str]:
    if metric.why and is_built_in(metric):
        yield metric.why
    if spec.allocation == "thompson" and isinstance(metric, QuantileMetric):
        yield (
            "Rows of all days together: where their level drifts while the shares of the arms move, part of this "
            "difference is one of days."
        )


def _effect(control: Sample, treatment: Sample, batches: Batches, *, confidence: float) -> Estimate | Unavailable:
    """Of all units together; after an allocation that followed the data of every day by itself."""
    if not batches or (control.missing or treatment.missing):
        return estimates.difference(control, treatment, confidence=confidence)
    found = by_batches.compared(batches, confidence=confidence)
    if isinstance(found, Unavailable):
        return found
    days = f"{found.batches} of {found.batches + found.left_out} days of entry"
    return replace(found.estimate, method=f"{found.estimate.method}, {days}")


def _lift(control: Sample, treatment: Sample, batches: Batches, *, confidence: float) -> estimates.Lift | Unavailable:
    if not batches:
        return estimates.lift(control, treatment, confidence=confidence)
    return Unavailable(
        reason=UnavailableReason.METHOD_NOT_VALID_HERE,
        detail="the allocation followed the data, so the arms' means are of other days, and their ratio is no lift",
    )


def _base(control: Sample, treatment: Sample, *, confidence: float) -> Base | None:
    if control.base is None or treatment.base is None:
        return None
    return Base(
        control=control.base.mean,
        treatment=treatment.base.mean,
        effect=difference_in_means(control.base, treatment.base, confidence=confidence),
    )


def _summary(sample: Sample) -> ArmSummary:
    plain, adjusted = sample.plain, sample.moments if sample.cuped else None
    return ArmSummary(
        variant=sample.variant,
        units=plain.n,
        mean=plain.mean,
        sd=_sd(plain),
        non_zero=sample.non_zero,
        immature=sample.immature,
        without_denominator=sample.without_denominator,
        adjusted_mean=adjusted.mean if adjusted else None,
        adjusted_sd=_sd(adjusted) if adjusted else None,
    )


def _sd(moments: Moments) -> float | None:
    return moments.variance**0.5 if moments.n > 1 else None


def _with_history(
    spec: ExperimentSpec, comparison: Comparison, samples: Samples, arm: str, *, confidence: float
) -> Comparison:
    """The unadjusted effect beside the adjusted one, or why history took nothing off."""
    history = samples.history
    if history is None:
        return comparison
    why = history if isinstance(history, Unavailable) else history.why_unadjusted
    if why is not None or isinstance(history, Unavailable):
        detail = why.detail if why else ""
        return replace(comparison, notes=(*comparison.notes, f"CUPED took nothing off: {detail}."))
    plain = [without_cuped(samples[each]) for each in (spec.control_name, arm)]
    note = (
        f"CUPED, coefficient {history.theta:.4g}: what units did before explains "
        f"{percent(1 - history.design_effect, 1)} of the variance.{_covered(spec, samples)}"
    )
    return replace(
        comparison,
        unadjusted=estimates.difference(*plain, confidence=confidence),
        variance_kept=history.design_effect,
        notes=(*comparison.notes, note),
    )


def _covered(spec: ExperimentSpec, samples: Samples) -> str:
    """What is told where the logs do not reach back as far as the plan asks."""
    asked = spec.analysis.cuped.days if spec.analysis.cuped else 0
    if samples.history_days >= asked:
        return ""
    return f" Of the {asked} days before, the logs have {samples.history_days}."
