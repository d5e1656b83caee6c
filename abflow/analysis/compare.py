"""Population and plan become comparisons: estimates first, then families, then words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from abflow.analysis.population import Contamination, Measured, Population
from abflow.analysis.readout import ArmSummary, Comparison, Margin, Precision, Word
from abflow.analysis.wording import count, effect
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, ProportionMetric, Role, events_of
from abflow.stats.means import difference_in_means, relative_lift
from abflow.stats.moments import EMPTY, Moments
from abflow.stats.multiplicity import holm
from abflow.stats.noninferiority import margin_bounds
from abflow.stats.proportions import cohens_h, difference_in_proportions, size_in_words
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from abflow.stats.tails import normal_isf

POWERED_SLACK = 1.1  # a test that misses its planned precision by a tenth is still called powered
LARGEST_UNIT_MOVES = 0.5  # standard errors of the effect; beyond, one unit carries too much of it


def compare(spec: ExperimentSpec, population: Population, *, contamination: Contamination) -> tuple[Comparison, ...]:
    """Every metric in every treatment against control, with the word that it has earned.

    Args:
        spec: The experiment.
        population: The mature units at the cut-off.
        contamination: What to do with units seen in two variants.
    """
    raw = [_estimate(spec, population, name, arm, contamination) for name in spec.metrics for arm in spec.treatments]
    adjusted = _adjust(spec, raw)
    return tuple(_judge(spec, comparison, population, adjusted) for comparison in adjusted)


def difference(
    spec: ExperimentSpec, population: Population, name: str, arm: str, *, contamination: Contamination
) -> Estimate | Unavailable:
    """One metric in one arm minus control, or why it cannot be computed."""
    control = population.of(name, spec.control_name, contamination)
    treatment = population.of(name, arm, contamination)
    return _difference(spec.metrics[name], population, control, treatment, confidence=1 - spec.analysis.alpha)


def beats(spec: ExperimentSpec, arm: ArmSummary, others: Sequence[ArmSummary]) -> tuple[bool, ...]:
    """Which of the other arms this one is shown to be ahead of on the primary; Holm over them, for ranking only."""
    found = [_test(spec.primary, other.moments, arm.moments, confidence=1 - spec.analysis.alpha) for other in others]
    adjusted = holm([1.0 if isinstance(estimate, Unavailable) else estimate.p_value for estimate in found])
    return tuple(
        isinstance(estimate, Estimate) and p < spec.analysis.alpha and estimate.value * spec.primary.sign > 0
        for estimate, p in zip(found, adjusted, strict=True)
    )


def _difference(
    metric: Metric,
    population: Population,
    control: Measured | None,
    treatment: Measured | None,
    *,
    confidence: float,
) -> Estimate | Unavailable:
    refusal = _why_unavailable(metric, population, control, treatment)
    if refusal:
        return refusal
    return _test(metric, _moments(control), _moments(treatment), confidence=confidence)


def _test(metric: Metric, control: Moments, treatment: Moments, *, confidence: float) -> Estimate | Unavailable:
    if isinstance(metric, ProportionMetric):
        return difference_in_proportions(control, treatment, confidence=confidence)
    return difference_in_means(control, treatment, confidence=confidence)


def _why_unavailable(
    metric: Metric, population: Population, control: Measured | None, treatment: Measured | None
) -> Unavailable | None:
    unseen = [event for event in events_of(metric) if event not in population.events_seen]
    if unseen:
        return Unavailable(
            reason=UnavailableReason.NO_SUCH_EVENT,
            detail=f"no event of type {unseen[0]!r} occurs anywhere in the outcome log",
        )
    for measured in (control, treatment):
        if measured and measured.cap_removes_all:
            return Unavailable(
                reason=UnavailableReason.CAP_REMOVES_ALL,
                detail="the percentile cap is 0, because so many units have 0; give `over: positive` or a value",
            )
        if measured and measured.moments.n == 0 and measured.immature:
            return Unavailable(
                reason=UnavailableReason.WINDOW_NOT_OVER,
                detail=f"the window of all {count(measured.immature)} units is not over at the cut-off",
            )
    return None


def _moments(measured: Measured | None) -> Moments:
    return measured.moments if measured else EMPTY


def _estimate(
    spec: ExperimentSpec, population: Population, name: str, arm: str, contamination: Contamination
) -> Comparison:
    metric = spec.metrics[name]
    control = population.of(name, spec.control_name, contamination)
    treatment = population.of(name, arm, contamination)
    confidence = 1 - spec.analysis.alpha
    found = _difference(metric, population, control, treatment, confidence=confidence)
    before, after = _moments(control), _moments(treatment)
    relative: Estimate | Unavailable
    if isinstance(found, Unavailable):
        relative = found
    else:
        lift = relative_lift(before, after, confidence=confidence)
        relative = lift if isinstance(lift, Unavailable) else lift.estimate
    comparison = Comparison(
        metric=name,
        role=metric.role,
        arm=arm,
        contamination=contamination,
        control=_summary(spec.control_name, control),
        treatment=_summary(arm, treatment),
        effect=found,
        relative=relative,
        mde=metric.mde.in_units_of(before.mean) if metric.mde else None,
        practical=metric.practical.in_units_of(before.mean) if metric.practical else 0.0,
        margin=_margin(spec, metric, before, after, refused=found if isinstance(found, Unavailable) else None),
        cap=control.cap if control else None,
    )
    if isinstance(metric, ProportionMetric) and isinstance(found, Estimate):
        h = cohens_h(before.mean, after.mean)
        comparison = replace(comparison, cohens_h=h, cohens_h_in_words=size_in_words(h))
    return comparison


def _summary(variant: str, measured: Measured | None) -> ArmSummary:
    if measured is None:
        return ArmSummary(variant=variant, units=0, mean=0.0, sd=None, non_zero=0, immature=0)
    moments = measured.moments
    return ArmSummary(
        variant=variant,
        units=moments.n,
        mean=moments.mean,
        sd=moments.variance**0.5 if moments.n > 1 else None,
        non_zero=measured.non_zero,
        immature=measured.immature,
    )


def _margin(
    spec: ExperimentSpec, metric: Metric, control: Moments, treatment: Moments, *, refused: Unavailable | None
) -> Margin | Unavailable | None:
    """Non-inferiority: guardrails each at one-sided alpha, because all must hold; the primary at alpha'."""
    if metric.margin is None:
        return None
    # "No variance" refuses a test of a difference, but two constant arms can still be within a margin.
    if refused and refused.reason is not UnavailableReason.NO_VARIANCE:
        return refused
    alpha = spec.arm_alpha if metric.role is Role.PRIMARY else spec.analysis.alpha
    bounds = margin_bounds(
        control,
        treatment,
        kind="proportion" if isinstance(metric, ProportionMetric) else "mean",
        sign=1 if metric.sign > 0 else -1,
        margin=metric.margin.signed,
        relative=metric.margin.relative is not None,
        confidence=1 - alpha,
    )
    if isinstance(bounds, Unavailable):
        return bounds
    return Margin(
        margin=bounds.margin,
        lower=bounds.slack.lower,
        upper=bounds.slack.upper,
        effect_lower=bounds.effect.lower,
        effect_upper=bounds.effect.upper,
        se=bounds.slack.se,
        p_value=bounds.p_value,
        confidence=bounds.confidence,
        method=bounds.method,
    )


def _adjust(spec: ExperimentSpec, comparisons: list[Comparison]) -> list[Comparison]:
    """Holm over the arms of the primary, and over secondaries times arms; guardrails need none."""
    adjusted: dict[tuple[str, str], float] = {}
    for role, times in ((Role.PRIMARY, spec.analysis.family_size), (Role.SECONDARY, 1)):
        family = [c for c in comparisons if c.role is role and isinstance(c.effect, Estimate)]
        values = holm([_p(c) for c in family], family_size=times)
        adjusted |= {(c.metric, c.arm): p for c, p in zip(family, values, strict=True)}
    return [replace(c, adjusted_p=adjusted.get((c.metric, c.arm))) for c in comparisons]


def _p(comparison: Comparison) -> float:
    if isinstance(comparison.effect, Unavailable):
        raise TypeError(f"{comparison.metric} has no p-value")  # a bug: families hold estimates only
    return comparison.effect.p_value


def _judge(
    spec: ExperimentSpec, comparison: Comparison, population: Population, family: list[Comparison]
) -> Comparison:
    if comparison.role is Role.GUARDRAIL:
        return replace(comparison, word=_guardrail_word(comparison))
    if isinstance(comparison.effect, Unavailable):
        return comparison
    judged = replace(comparison, word=_word(spec, comparison, comparison.effect, comparison.adjusted_p))
    if comparison.role is Role.SECONDARY:
        return judged
    return _judge_primary(spec, judged, comparison.effect, population, family)


def _guardrail_word(comparison: Comparison) -> Word | None:
    match comparison.margin:
        case Margin(lower=lower) if lower > 0:
            return Word.SAFE
        case Margin(upper=upper) if upper < 0:
            return Word.HARMED
        case Margin():
            return Word.UNCLEAR
        case _:
            return None


def _word(spec: ExperimentSpec, comparison: Comparison, found: Estimate, adjusted_p: float | None) -> Word:
    if adjusted_p is None or adjusted_p >= spec.analysis.alpha or found.value == 0:
        return Word.UNCLEAR
    good = found.value * spec.metrics[comparison.metric].sign > 0
    return Word.BETTER if good else Word.WORSE


def _judge_primary(
    spec: ExperimentSpec,
    comparison: Comparison,
    found: Estimate,
    population: Population,
    family: list[Comparison],
) -> Comparison:
    metric = spec.metrics[comparison.metric]
    control = population.of(comparison.metric, spec.control_name, comparison.contamination)
    treatment = population.of(comparison.metric, comparison.arm, comparison.contamination)
    strict = _test(metric, _moments(control), _moments(treatment), confidence=1 - spec.arm_alpha)
    ends = (strict.lower, strict.upper) if isinstance(strict, Estimate) else None
    comparison = replace(comparison, strict=ends if spec.arm_alpha < spec.analysis.alpha else None)
    if comparison.mde:
        best = None if ends is None else max(metric.sign * end for end in ends)
        comparison = replace(
            comparison,
            mde_excluded=best is not None and best < comparison.mde,
            precision=_precision(spec, comparison.mde, found.se, comparison),
        )
    if isinstance(metric, ProportionMetric) or control is None or treatment is None:
        return comparison
    return _with_largest_unit(spec, comparison, found, control, treatment, family)


def _precision(spec: ExperimentSpec, mde: float, se: float, comparison: Comparison) -> Precision:
    reach = (normal_isf(spec.arm_alpha / 2) + normal_isf(1 - spec.analysis.power)) * se
    share = (mde / reach) ** 2 if reach else float(1)
    units = (comparison.control.units + comparison.treatment.units) / 2
    return Precision(
        powered=reach <= POWERED_SLACK * mde,
        percent_of_plan=100 * share,
        more_units_per_arm=max(units * (1 / share - 1), 0.0),
    )


def _with_largest_unit(
    spec: ExperimentSpec,
    comparison: Comparison,
    found: Estimate,
    control: Measured,
    treatment: Measured,
    family: list[Comparison],
) -> Comparison:
    """Does the answer hang on one unit? Leave out the one that moves the effect most, and look again."""
    metric = spec.metrics[comparison.metric]
    without = [
        _test(metric, c, t, confidence=found.confidence)
        for c, t in (
            (control.moments.without(control.lowest), treatment.moments),
            (control.moments.without(control.highest), treatment.moments),
            (control.moments, treatment.moments.without(treatment.lowest)),
            (control.moments, treatment.moments.without(treatment.highest)),
        )
    ]
    left = [estimate for estimate in without if isinstance(estimate, Estimate)]
    if not left:
        return replace(comparison, fragile=True)
    furthest = max(left, key=lambda estimate: abs(estimate.value - found.value))
    moved = abs(furthest.value - found.value)
    others = [_p(c) for c in family if c.role is Role.PRIMARY and c.arm != comparison.arm and c.adjusted_p is not None]
    again = holm([furthest.p_value, *others], family_size=spec.analysis.family_size)[0]
    changes = _word(spec, comparison, furthest, again) is not comparison.word
    if moved <= LARGEST_UNIT_MOVES * found.se:
        return replace(comparison, fragile=changes)
    note = f"One unit moves the effect by {effect(metric, moved)}, more than half its standard error."
    return replace(comparison, fragile=changes, notes=(*comparison.notes, note))
