"""Effects within the levels of a segment: a test whether they differ, and what each shows; they never decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from abflow.analysis import estimates
from abflow.analysis.population import Population, Slice
from abflow.analysis.readout import LevelEffect, SegmentEffects
from abflow.analysis.samples import Sample, slice_sample
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric
from abflow.stats.heterogeneity import Level, heterogeneity
from abflow.stats.multiplicity import holm
from abflow.stats.result import Estimate, Unavailable

NEW_USERS = "is_new_user"  # new and established units are always shown apart


def by_segment(spec: ExperimentSpec, population: Population) -> tuple[SegmentEffects, ...]:
    """Every metric in every arm by every segment that the population knows.

    One test of heterogeneity per segment, Holm over the segments of the plan; a segment or metric outside the plan is
    exploratory and corrected for nothing.

    References:
        Cochran (1954), Biometrics 10, 101-129.
    """
    found = []
    parts = population.all_sliced(spec.analysis.contamination)
    segments = sorted({part.by for part in population.slices if part.by in (*spec.segments, NEW_USERS)})
    for name, metric in spec.metrics.items():
        if isinstance(metric, QuantileMetric):
            continue
        for arm in spec.treatments:
            read = [_read(spec, parts.get((name, segment), []), name, arm, segment) for segment in segments]
            tested = [effects for effects in read if effects.planned and effects.p_value is not None]
            corrected = holm([effects.p_value for effects in tested if effects.p_value is not None])
            adjusted = {effects.segment: p for effects, p in zip(tested, corrected, strict=True)}
            found += [replace(effects, adjusted_p=adjusted.get(effects.segment)) for effects in read]
    return tuple(found)


def level_samples(
    spec: ExperimentSpec, parts: Iterable[Slice], name: str, arm: str
) -> dict[str, tuple[Sample, Sample]]:
    """Control and arm within each level, in the order of the levels' names; levels of one arm alone are left out.

    Args:
        spec: The experiment.
        parts: The metric in the levels of one segment, or on the days of entry.
        name: The metric.
        arm: The treatment.
    """
    found: dict[str, dict[str, list[Slice]]] = {}
    for part in parts:
        role = spec.control_name if part.variant in spec.controls else part.variant
        found.setdefault(part.level, {}).setdefault(role, []).append(part)
    metric = spec.metrics[name]
    return {
        level: (slice_sample(metric, sides[spec.control_name]), slice_sample(metric, sides[arm]))
        for level, sides in sorted(found.items())
        if spec.control_name in sides and arm in sides
    }


def _read(spec: ExperimentSpec, parts: Sequence[Slice], name: str, arm: str, segment: str) -> SegmentEffects:
    confidence = 1 - spec.analysis.alpha
    samples = level_samples(spec, parts, name, arm)
    levels = [
        Level(
            name=level,
            effect=estimates.difference(control, treatment, confidence=confidence),
            units=(control.moments.n, treatment.moments.n),
        )
        for level, (control, treatment) in samples.items()
    ]
    tested = heterogeneity(levels, confidence=confidence)
    found = SegmentEffects(
        metric=name,
        arm=arm,
        segment=segment,
        planned=segment in spec.segments and spec.metrics[name].role.planned,
        levels=(),
        p_value=None,
        adjusted_p=None,
        inconsistency=None,
        left_out=tuple(level.name for level in levels),
    )
    if isinstance(tested, Unavailable):
        return found
    units = {level.name: level.units for level in levels}
    return replace(
        found,
        levels=tuple(
            LevelEffect(
                level=each.name,
                control_units=units[each.name][0],
                treatment_units=units[each.name][1],
                effect=each.effect,
                relative=_lift(samples[each.name], confidence=confidence),
                adjusted_p=each.adjusted_p,
                lower=each.simultaneous[0],
                upper=each.simultaneous[1],
            )
            for each in tested.levels
        ),
        p_value=tested.p_value,
        inconsistency=tested.i_squared,
        left_out=tuple(tested.left_out),
    )


def _lift(pair: tuple[Sample, Sample], *, confidence: float) -> Estimate | Unavailable:
    found = estimates.lift(*pair, confidence=confidence)
    return found if isinstance(found, Unavailable) else found.estimate
