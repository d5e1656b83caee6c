"""Looking for harm on every day before the cut-off: it costs the primary no alpha, and shows none of its numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from abflow.analysis import estimates, wording
from abflow.analysis.gates import Check, Status
from abflow.analysis.looks import UNKNOWN_PLAN, arm_shares
from abflow.analysis.margins import sign_of
from abflow.analysis.population import Population
from abflow.analysis.samples import Sample, samples_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, Role
from abflow.stats.confidence_sequence import sequence_bounds
from abflow.stats.result import Unavailable

FALSE_STOPS = 0.05  # at most, over all metrics, arms and days together


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """A metric that got worse in one arm, by a bound that holds at every daily look.

    Attributes:
        day: Of the test, 1 for the first.
        limit: What it is worse than: its margin, or control for the primary.
        beyond: By how much at least, in the metric's unit.
    """

    arm: str
    metric: str
    day: int
    limit: str
    beyond: float
    sentence: str


def find_harm(
    spec: ExperimentSpec, population: Population, *, day: int, planned: float, dropped: Collection[str] = ()
) -> tuple[Harm, ...]:
    """The first harmed metric of every arm that is still served.

    Every guardrail may lose its margin and the primary nothing; each is tested by a one-sided confidence sequence
    at 0.05 over the number of these metrics times arms. History is not taken off, also where the plan has CUPED: the
    bound holds either way, and a day's health does not have to read the days before the test.

    Args:
        spec: The experiment.
        population: The mature units so far.
        day: Of the test, 1 for the first.
        planned: Units of all variants together that the plan expects at the cut-off; 0 when nobody knows.
        dropped: Arms that were dropped before.
    """
    watched = [name for name, metric in spec.metrics.items() if metric.role.decides]
    alpha = FALSE_STOPS / (len(watched) * len(spec.treatments))
    shares, tuned_to = arm_shares(spec), planned or UNKNOWN_PLAN
    found: dict[str, Harm] = {}
    for name in watched:
        samples = samples_of(spec, population, name, spec.analysis.contamination, take_history_off=False)
        for arm in spec.treatments:
            if arm in found or arm in dropped:
                continue
            control, treatment = samples[spec.control_name], samples[arm]
            pair = max(round(tuned_to * (shares[spec.control_name] + shares[arm])), 1)
            beyond = _beyond(spec.metrics[name], control, treatment, alpha=alpha, planned=pair)
            if beyond is not None and beyond > 0:
                found[arm] = _told(spec, name, arm, day=day, beyond=beyond, control=control)
    return tuple(found.values())


def _beyond(metric: Metric, control: Sample, treatment: Sample, *, alpha: float, planned: int) -> float | None:
    """How far at least the metric is beyond what it may lose; None when the sequence has not begun."""
    primary = metric.role is Role.PRIMARY
    margin = 0.0 if primary or metric.margin is None else metric.margin.signed
    relative = not primary and metric.margin is not None and metric.margin.relative is not None
    found = estimates.bounds(
        control, treatment, sign=sign_of(metric), margin=margin, relative=relative, confidence=1 - alpha
    )
    if isinstance(found, Unavailable):
        return None
    bounds = sequence_bounds(
        found.slack.value,
        found.slack.se,
        units=(control.moments.n, treatment.moments.n),
        nonzero=control.non_zero + treatment.non_zero,
        planned=planned,
        alpha=alpha,
    )
    return None if isinstance(bounds, Unavailable) else -bounds.upper


def _told(spec: ExperimentSpec, name: str, arm: str, *, day: int, beyond: float, control: Sample) -> Harm:
    metric = spec.metrics[name]
    limit = spec.control_name
    if metric.role is Role.GUARDRAIL and metric.margin is not None:
        allowed = wording.size(metric, metric.margin.in_units_of(control.plain.mean))
        limit = f"the {allowed} allowed"
    sentence = (
        f"Stopped on day {day} for harm: {name} of {arm} is worse than {limit} by at least "
        f"{wording.size(metric, beyond)}, a bound that holds at every daily look."
    )
    return Harm(arm=arm, metric=name, day=day, limit=limit, beyond=beyond, sentence=sentence)


def harm_check(found: tuple[Harm, ...]) -> Check:
    """What pages may show: that no harm was found, never how the primary does."""
    if found:
        return Check(name="harm", status=Status.WARN, sentence=" ".join(harm.sentence for harm in found))
    return Check(name="harm", status=Status.PASS, sentence="No harm found.")
