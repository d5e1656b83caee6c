"""Were the arms alike before the treatment, and in every part of the population? Read at the horizon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from abflow.analysis import estimates
from abflow.analysis.gates import Check, Status
from abflow.analysis.population import Overlap, Population
from abflow.analysis.propensities import balance_in_parts
from abflow.analysis.samples import pooled_sample, samples_of
from abflow.analysis.wording import count, effect, p_value
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.independence import independence
from abflow.stats.means import difference_in_means
from abflow.stats.moments import Moments
from abflow.stats.multiplicity import holm
from abflow.stats.result import Estimate, Unavailable

FAIL, WARN = 0.001, 0.01
CONTROLS_WARN = 0.05  # several controls are an A/A test that was asked for, so a hint of trouble is shown earlier


def split_by_segment(spec: ExperimentSpec, population: Population) -> tuple[Check, ...]:
    """Is the split the same in every level of the registered segments? A total that is right can hide that."""
    tested, checks = [], []
    for segment in spec.segments:
        found = _split(spec, population, segment)
        if isinstance(found, Unavailable):
            sentence = f"The split by {segment} is not tested: {found.detail}."
            checks.append(Check(name=f"split by {segment}", status=Status.NOT_CHECKED, sentence=sentence))
        else:
            tested.append((segment, found))
    corrected = holm([p for _, p in tested])
    for (segment, p), adjusted in zip(tested, corrected, strict=True):
        words = "differs between levels" if adjusted < FAIL else "is the same in every level"
        checks.append(
            Check(
                name=f"split by {segment}",
                status=_status(adjusted),
                sentence=f"The split {words} of {segment} (adjusted p {p_value(adjusted)}).",
                numbers={"p_value": p, "adjusted_p_value": adjusted},
            )
        )
    return tuple(checks)


def _split(spec: ExperimentSpec, population: Population, segment: str) -> float | Unavailable:
    """The p-value that the levels are split alike, or as the logged probabilities of their units announce."""
    weighed: dict[str, dict[str, Moments]] = {}
    for part in population.segments:
        if part.segment == segment and part.inverse_propensity:
            weighed.setdefault(part.level, {})[part.variant] = part.inverse_propensity
    if weighed:
        in_parts = balance_in_parts(weighed)
        return in_parts if isinstance(in_parts, Unavailable) else in_parts.together
    found = independence(_table(spec, population, segment))
    return found if isinstance(found, Unavailable) else found.p_value


def _table(spec: ExperimentSpec, population: Population, segment: str) -> list[list[int]]:
    """Units, one row per variant and one column per level."""
    parts = [part for part in population.segments if part.segment == segment]
    levels = sorted({part.level for part in parts})
    units = {(part.variant, part.level): part.units for part in parts}
    return [[units.get((variant, level), 0) for level in levels or [""]] for variant in spec.variants]


def pre_period_difference(spec: ExperimentSpec, population: Population) -> tuple[Check, ...]:
    """Did the arms differ in what their units did before? Only where CUPED knows what they did."""
    if spec.analysis.cuped is None:
        return ()
    found: dict[tuple[str, str], Estimate] = {}
    for name in spec.plan.metrics:
        samples = samples_of(spec, population, name, spec.analysis.contamination)
        control = samples[spec.control_name].cuped
        for arm in spec.treatments:
            treatment = samples[arm].cuped
            if control and treatment:
                before = difference_in_means(control.pair.linear((0, 1)), treatment.pair.linear((0, 1)))
                if isinstance(before, Estimate):
                    found[name, arm] = before
    return tuple(_compared("before the test", spec, found, warn=WARN))


def controls_agree(spec: ExperimentSpec, population: Population) -> tuple[Check, ...]:
    """Several controls got the same, so they may not differ: each against the first, primary and guardrails."""
    first, *others = spec.controls
    found: dict[tuple[str, str], Estimate] = {}
    for name, metric in spec.metrics.items():
        if not metric.role.decides:
            continue
        for other in others:
            pair = [pooled_sample(spec, population, name, [variant]) for variant in (first, other)]
            effect_found = estimates.difference(pair[0], pair[1], confidence=1 - spec.analysis.alpha)
            if isinstance(effect_found, Estimate):
                found[name, other] = effect_found
    return tuple(_compared("between the controls", spec, found, warn=CONTROLS_WARN))


def _compared(
    where: str, spec: ExperimentSpec, found: dict[tuple[str, str], Estimate], *, warn: float
) -> Iterable[Check]:
    corrected = holm([estimate.p_value for estimate in found.values()])
    for ((name, arm), estimate), adjusted in zip(found.items(), corrected, strict=True):
        words = "differs" if adjusted < FAIL else "shows no difference"
        yield Check(
            name=f"{name} {where}, {arm}",
            status=_status(adjusted, warn=warn),
            sentence=f"{name} {words} {where}: {arm} {effect(spec.metrics[name], estimate.value)} "
            f"(adjusted p {p_value(adjusted)}).",
            numbers={"p_value": estimate.p_value, "adjusted_p_value": adjusted, "effect": estimate.value},
        )


def overlap_checks(overlaps: Sequence[Overlap]) -> tuple[Check, ...]:
    """Is the assignment independent of that of other experiments in the same log? A warning, never a failure."""
    checks = []
    for other in sorted({overlap.experiment for overlap in overlaps}):
        shared = [overlap for overlap in overlaps if overlap.experiment == other]
        variants, others = sorted({o.variant for o in shared}), sorted({o.other_variant for o in shared})
        units = {(o.variant, o.other_variant): o.units for o in shared}
        found = independence([[units.get((variant, level), 0) for level in others] for variant in variants])
        total = sum(o.units for o in shared)
        name, told = f"overlap with {other}", f"{count(total)} units are in {other} too"
        if isinstance(found, Unavailable):
            sentence = f"{told}; not tested: {found.detail}."
            checks.append(Check(name=name, status=Status.NOT_CHECKED, sentence=sentence))
            continue
        status = Status.WARN if found.p_value < FAIL else Status.PASS
        words = "is tied to" if status is Status.WARN else "is independent of"
        sentence = f"{told}, and the assignment {words} its own (p {p_value(found.p_value)})."
        numbers = {"units": float(total), "p_value": found.p_value, "cramers_v": found.cramers_v}
        checks.append(Check(name=name, status=status, sentence=sentence, numbers=numbers))
    return tuple(checks)


def _status(p: float, *, warn: float = WARN) -> Status:
    return Status.FAIL if p < FAIL else Status.WARN if p < warn else Status.PASS
