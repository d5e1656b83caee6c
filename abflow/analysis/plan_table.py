"""`PlanTable`: what a test asks of every metric, how many units and days that takes, and what would do."""

from __future__ import annotations

import math
from dataclasses import dataclass

from abflow.analysis.asked import Asked, look_fractions, reach_of
from abflow.analysis.gates import Status
from abflow.analysis.inflow import Duration, duration
from abflow.analysis.plan_words import plan_in_words, units_by_arm
from abflow.analysis.played_decision import PlayedDecision
from abflow.analysis.posterior_plan import posterior_plan
from abflow.analysis.sizing import Sizing
from abflow.analysis.stopping import Stopping, stopping
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.decision_size import decision_power
from abflow.stats.posterior_prospects import Prospects, prospects
from abflow.stats.result import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """What one metric asks.

    Attributes:
        kind: Of metric: proportion, count, mean, ratio or quantile.
        asks: `effect` to be found, or `margin` within which a loss must stay.
        size: Of the effect or margin as the file writes it, with its sign.
        relative: Whether that is a share of the baseline.
        baseline: Mean per unit.
        sd: Standard deviation per unit; None for a proportion.
        source: Where both come from.
        alone: Units in all arms if this metric were the only one.
        power: Its power at the size of the decision.
        detectable: The smallest effect or margin that the expected units can show, in the metric's unit.
        factor: Units, as a multiple of those of one plain look without history.
        pays_for: What the factor pays for; empty when it is 1.
    """

    metric: str
    role: str
    kind: str
    asks: str
    size: float
    relative: bool
    baseline: float
    sd: float | None
    source: str
    alone: int | None
    power: float | None
    detectable: float | None
    factor: float
    pays_for: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTable:
    """The whole plan in numbers.

    Attributes:
        power: Of the decision, as the file asks for it.
        arm_alpha: Two-sided error level of one arm's primary comparison.
        needed: Units in all arms; None when that cannot be said.
        needed_by_arm: Of them, by arm.
        expected: Units in all arms that will count; None when nobody knows how many come.
        expected_from: Where that number comes from.
        power_with_expected: The least power of the decision with the expected units.
        enroll_days: Days of enrolment that the file plans.
        days: Days of test that the file plans.
        takes: The calendar that gets the units; None when they never come.
        prospects: Of a plan read by posterior, at the units needed and without its guardrails.
        missing: What must be known first.
        sentences: The answer in words.
        played: How often the decision falls as it should when it is played through; None where it was not.
        stops: When a group-sequential test ends; None for every other plan.
    """

    experiment: str
    method: str
    preset: str
    alpha: float
    arm_alpha: float
    power: float
    rows: tuple[PlanRow, ...]
    needed: int | None
    needed_by_arm: dict[str, int]
    expected: float | None
    expected_from: str
    power_with_expected: float | None
    enroll_days: int
    days: int
    takes: Duration | None
    prospects: Prospects | None
    missing: tuple[str, ...]
    sentences: tuple[str, ...]
    played: PlayedDecision | None = None
    stops: Stopping | None = None

    @property
    def enough(self) -> bool | None:
        """Whether the expected units suffice; None when nobody can say."""
        if self.needed is None or self.expected is None:
            return None
        return self.expected >= self.needed


def plan_table(spec: ExperimentSpec, sizing: Sizing) -> PlanTable:
    """Put a sizing into numbers and words.

    Args:
        spec: The experiment.
        sizing: What `size_test` made of it.
    """
    expected = sizing.expected if sizing.inflow else None
    missing = tuple(c.sentence for c in sizing.checks if c.name != "sample size" and c.status is Status.INSUFFICIENT)
    takes = _takes(spec, sizing)
    promised, stops = _prospects(spec, sizing), stopping(spec, sizing)
    return PlanTable(
        experiment=spec.experiment,
        method=spec.allocation if spec.allocation == "thompson" else spec.analysis.method,
        preset=spec.analysis.preset,
        alpha=spec.analysis.alpha,
        arm_alpha=spec.arm_alpha,
        power=spec.analysis.power,
        rows=tuple(_row(spec, sizing, asked) for asked in sizing.asked),
        needed=sizing.needed,
        needed_by_arm=units_by_arm(spec, sizing.needed) if sizing.needed else {},
        expected=expected,
        expected_from=sizing.inflow.source if sizing.inflow else "",
        power_with_expected=_power_with(sizing, expected),
        enroll_days=spec.enroll_days,
        days=spec.phases.test.days,
        takes=takes,
        prospects=promised,
        missing=missing,
        sentences=tuple(plan_in_words(spec, sizing, takes=takes, promised=promised, stops=stops)),
        stops=stops,
    )


def _takes(spec: ExperimentSpec, sizing: Sizing) -> Duration | None:
    if sizing.needed is None or sizing.inflow is None:
        return None
    return duration(sizing.needed, sizing.inflow, window_days=spec.longest_window)


def _power_with(sizing: Sizing, units: float | None) -> float | None:
    if not units or sizing.split is None:
        return None
    power = decision_power(sizing.questions, split=sizing.split, total=units)
    return None if isinstance(power, Unavailable) else power


def _prospects(spec: ExperimentSpec, sizing: Sizing) -> Prospects | None:
    if spec.analysis.method != "bayesian" or spec.analysis.preset != "clear_signals":
        return None
    plain = sizing.read_once
    if plain is None or sizing.needed is None:
        return None
    primary = sizing.asked[0]
    effect = abs(primary.question.absolute_size)
    plan = posterior_plan(
        spec,
        look_fractions(spec, sizing.inflow),
        mean=primary.question.mean,
        effect=effect,
        se=plain.sd_true / math.sqrt(sizing.needed),
    )
    return prospects(plan, effect=effect)


def _row(spec: ExperimentSpec, sizing: Sizing, asked: Asked) -> PlanRow:
    question, metric = asked.question, spec.metrics[asked.question.name]
    size = sizing.size.of(question.name) if sizing.size else None
    reach = None
    if sizing.split and sizing.inflow:
        reach = reach_of(question, total=sizing.expected, split=sizing.split, power=spec.analysis.power)
    return PlanRow(
        metric=question.name,
        role=metric.role,
        kind=metric.kind,
        asks="effect" if question.kind == "difference" else "margin",
        size=question.size,
        relative=question.relative,
        baseline=question.mean,
        sd=question.sd,
        source=asked.measured.source,
        alone=size.alone if size else None,
        power=size.power if size else None,
        detectable=reach,
        factor=question.factor,
        pays_for=asked.pays_for,
    )
