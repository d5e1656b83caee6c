"""A sizing in sentences: what it takes, whether that comes, and what would do."""

from __future__ import annotations

import math
from collections.abc import Iterator

from abflow.analysis import wording
from abflow.analysis.asked import aim_of, in_the_metrics_unit, reach_of
from abflow.analysis.gates import Status
from abflow.analysis.inflow import Duration, Inflow, counting_days
from abflow.analysis.looks import arm_shares
from abflow.analysis.sizing import Sizing
from abflow.analysis.stopping import Stopping
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric
from abflow.stats.decision_size import DecisionSize, decision_detectable, decision_power
from abflow.stats.posterior_looks import look_threshold
from abflow.stats.posterior_prospects import Prospects
from abflow.stats.power import PowerQuestion, Split, power_of
from abflow.stats.result import Unavailable

HALVES = math.sqrt(0.5)  # a history that correlates so much takes half of the noise off


def plan_in_words(
    spec: ExperimentSpec,
    sizing: Sizing,
    *,
    takes: Duration | None,
    promised: Prospects | None,
    stops: Stopping | None = None,
) -> Iterator[str]:
    """The answer, a sentence at a time.

    Args:
        spec: The experiment.
        sizing: What `size_test` made of it.
        takes: The calendar that gets the units needed; None when they never come.
        promised: What a plan read by posterior will do.
        stops: When a group-sequential plan ends.
    """
    size, split, inflow = sizing.size, sizing.split, sizing.inflow
    if size is None or split is None:
        yield from (check.sentence for check in sizing.checks)
        return
    yield _needs(spec, sizing, size)
    yield from (check.sentence for check in sizing.checks if check.status is Status.NOT_CHECKED)
    if inflow is None:
        yield "How many units come is not known yet, so neither is how long it takes."
    else:
        yield _comes(spec, sizing, size, split, inflow)
        if sizing.expected < size.total:
            yield _within_reach(spec, sizing, split)
        yield _calendar(spec, takes)
        yield _half(spec, sizing, size, split)
    if promised is not None:
        yield _promises(spec, promised)
    if stops is not None:
        yield _ends(stops)
    if spec.allocation == "thompson":
        yield (
            "All this is said of weights that stay. A bandit deals the weaker arm fewer units and shows an effect less "
            "often: --simulate 1000 counts how often."
        )


def units_by_arm(spec: ExperimentSpec, total: int) -> dict[str, int]:
    """Units of each arm, rounded up."""
    return {arm: math.ceil(total * share - 1e-9) for arm, share in arm_shares(spec).items()}


def _needs(spec: ExperimentSpec, sizing: Sizing, size: DecisionSize) -> str:
    others = len(size.questions) - 1
    guarded = f" while {others} guardrail{' holds' if others == 1 else 's hold'}" if others else ""
    arms = ", ".join(f"{wording.count(n)} in {arm}" for arm, n in units_by_arm(spec, size.total).items())
    return (
        f"{aim_of(spec, sizing.questions[0])}{guarded} with {100 * spec.analysis.power:g} % power takes "
        f"{wording.count(size.total)} units: {arms}."
    )


def _comes(spec: ExperimentSpec, sizing: Sizing, size: DecisionSize, split: Split, inflow: Inflow) -> str:
    days = counting_days(spec, days=spec.phases.test.days)
    reached = decision_power(sizing.questions, split=split, total=sizing.expected)
    power = "no power can be promised"
    if not isinstance(reached, Unavailable) and reached > 0:
        power = f"the power is at least {100 * reached:.0f} %"
    enough = "That is enough" if sizing.expected >= size.total else "That is not enough"
    if spec.allocation == "thompson":
        enough = "With weights that stay, that is enough" if sizing.expected >= size.total else enough
    return (
        f"{wording.count(sizing.expected)} units are expected in {days} days of enrolment ({inflow.source}), "
        f"{100 * sizing.expected / size.total:.0f} % of that. {enough}: {power}."
    )


def _within_reach(spec: ExperimentSpec, sizing: Sizing, split: Split) -> str:
    """What the planned days can show."""
    reach = _decision_reach(spec, sizing, split, total=sizing.expected)
    if reach is None:
        return f"The planned days can show no size of {spec.primary_name}: {_in_the_way(spec, sizing, split)}."
    verb = "change that can be found" if sizing.questions[0].kind == "difference" else "loss that can be ruled out"
    return f"The smallest {verb} on {spec.primary_name} in the planned days is {wording.size(spec.primary, reach)}."


def _decision_reach(spec: ExperimentSpec, sizing: Sizing, split: Split, *, total: float) -> float | None:
    """The smallest size of the primary, in its unit, with which so many units give the decision its power."""
    size = decision_detectable(sizing.questions, split=split, total=total, power=spec.analysis.power)
    return in_the_metrics_unit(sizing.questions[0], size)


def _in_the_way(spec: ExperimentSpec, sizing: Sizing, split: Split) -> str:
    """The guardrail that leaves the least power, and what it could show."""
    _, *guardrails = sizing.questions
    if not guardrails:
        return "there are too few units"

    def power(question: PowerQuestion) -> float:
        found = power_of(question, total=sizing.expected, split=split)
        return 0.0 if isinstance(found, Unavailable) else found

    worst = min(guardrails, key=power)
    reach = reach_of(worst, total=sizing.expected, split=split, power=spec.analysis.power)
    shown = "no margin" if reach is None else f"no margin below {wording.size(spec.metrics[worst.name], reach)}"
    return f"{worst.name} stands in the way, because by itself it can show {shown} there"


def _calendar(spec: ExperimentSpec, takes: Duration | None) -> str:
    if takes is None:
        return "At the expected rate so many units never come."
    enrolment = f"{takes.enroll_days} days of enrolment and " if takes.enroll_days < takes.days else ""
    return (
        f"In whole weeks it takes {enrolment}{takes.days} days in all, where the file plans {spec.phases.test.days}: "
        f"phases.test: {{enroll_days: {takes.enroll_days}, days: {takes.days}}}."
    )


def _half(spec: ExperimentSpec, sizing: Sizing, size: DecisionSize, split: Split) -> str:
    reach = _decision_reach(spec, sizing, split, total=size.total / 2)
    ways = [] if reach is None else [f"for {wording.size(spec.primary, reach)} instead"]
    bandit = spec.allocation == "thompson"  # read day by day, with no history taken off
    if spec.analysis.cuped is None and not bandit and not isinstance(spec.primary, QuantileMetric):
        ways.append(f"with analysis.cuped, if what units did before correlates {HALVES:.2f} with what they do")
    if not ways:
        return "Half of the units would not do for any size: the guardrails need them."
    return f"Half of the units would do {', or '.join(ways)}."


def _promises(spec: ExperimentSpec, promised: Prospects) -> str:
    """What the posterior's rule does, whatever its probabilities are called."""
    looks = len(spec.looks)
    when = f"at {looks} looks" if looks > 1 else "at the cut-off"
    return (
        f"Read {when} with P(better) >= {look_threshold(looks, alpha=spec.arm_alpha):.4f}, an equal version is called "
        f"better {100 * promised.false_promotion_rate:.1f} % of the time and one with the planned effect "
        f"{100 * promised.power:.0f} %."
    )


def _ends(stops: Stopping) -> str:
    """How soon the bounds are crossed, which is what looking early is for."""
    by_look = ", ".join(f"{100 * chance:.0f} %" for chance in stops.with_effect)
    with_effect, without = wording.count(stops.units_with_effect), wording.count(stops.units_without)
    return (
        f"Read at {len(stops.fractions)} looks, the primary alone ends the test after {with_effect} units on average "
        f"with the planned effect (look by look: {by_look}), and after {without} without any."
    )
