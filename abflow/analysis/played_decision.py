"""The power of a whole plan, played through on its own data: its looks, its guardrails and its rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from abflow.analysis.arm_rules import ArmAnswer
from abflow.analysis.course import course_of
from abflow.analysis.dealt_by_results import dealing_by_results
from abflow.analysis.drawn_units import drawing, planned_effect
from abflow.analysis.looks import arm_shares
from abflow.analysis.played_course import play, play_dealt
from abflow.analysis.sizing import Sizing
from abflow.analysis.unit_records import UnitRecords
from abflow.analysis.verdict import Verdict
from abflow.analysis.wording import count, percent
from abflow.errors import NotEnoughData
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import OF_EXPOSURES, QuantileMetric, RatioMetric, Role
from abflow.stats.power_simulation import SimulatedPower, simulate_power


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedDecision:
    """How often a plan promotes an arm that has the planned effect.

    Attributes:
        arm: The treatment with the fewest units, which gets the effect.
        power: How often it is promoted.
        units: Of every played experiment at the cut-off of the plan, all arms together.
        extended_units: Of one that goes on as it promised; None where the plan promises nothing.
        drawn_from: Units that they are drawn from.
        history_days: Days before the A/A phase that CUPED reads, as far as the logs have them; None where it takes
            nothing off any metric.
        rules: How often each rule of the table had the last word on the arm.
        dealt_share: Of the units those that the arm is dealt, on average; None where the weights stay.
        left_out: What of the plan could not be played, and why.
    """

    arm: str
    power: SimulatedPower
    units: int
    extended_units: int | None
    drawn_from: int
    history_days: int | None
    rules: dict[str, float]
    dealt_share: float | None
    left_out: tuple[str, ...]


def deciding(spec: ExperimentSpec) -> ExperimentSpec:
    """The part of a plan that decides."""
    roles = (Role.PRIMARY, Role.GUARDRAIL, *([Role.SECONDARY] if spec.analysis.family == "all" else []))
    metrics = {name: metric for name, metric in spec.metrics.items() if metric.role in roles}
    return spec.model_copy(update={"metrics": metrics, "segments": ()})


def play_decision(
    spec: ExperimentSpec, sizing: Sizing, records: Mapping[str, UnitRecords], *, runs: int, seed: int
) -> PlayedDecision:
    """Draw the expected units again and again, put the planned effect into one arm, and let the plan decide.

    On every day arms that do harm are dropped, and every look is taken with the units that are mature by then. The
    primary of the arm has an effect of the mde, with do_no_harm none; nothing else has any.

    Args:
        spec: The experiment.
        sizing: Its sizing, which knows how many units come and when.
        records: By metric that decides what the units of all arms did, which got the same.
        runs: Experiments to play.
        seed: The same seed, the same count.

    Raises:
        NotEnoughData: No units are expected, or none are there to be drawn.
    """
    plan = deciding(spec)
    if sizing.inflow is None or round(sizing.expected) < 1:
        raise NotEnoughData(f"{spec.experiment} cannot be played through: nobody knows how many units come")
    course = course_of(plan, sizing.inflow)
    shares, primary = arm_shares(spec), records[spec.primary_name]
    arm = min(spec.treatments, key=lambda name: shares[name])
    gain = {arm: {spec.primary_name: planned_effect(spec.primary, primary)}}
    effects = gain if spec.analysis.preset == "clear_signals" else {}
    drawn = {name: records[name] for name in plan.metrics}
    dealt_shares: list[float] = []
    if plan.allocation == "thompson":
        deal = dealing_by_results(plan, drawn, effects=effects, inflow=sizing.inflow)

        def verdict(rng: np.random.Generator) -> Verdict:
            dealt = deal(rng)
            dealt_shares.append(dealt.share(arm))
            return play_dealt(plan, dealt, planned=course.planned)

    else:
        draw = drawing(drawn, shares=shares, effects=effects, units=course.units)

        def verdict(rng: np.random.Generator) -> Verdict:
            return play(course, draw(rng))

    rules: Counter[str] = Counter()

    def promoted(found: Verdict) -> bool:
        own = next(each for each in found.arms if each.arm == arm)
        rules[own.rule] += 1
        return own.answer is ArmAnswer.WINNER

    power = simulate_power(verdict, promoted, runs=runs, seed=seed)
    past = [record.history_days for name, record in records.items() if record.before is not None]
    return PlayedDecision(
        arm=arm,
        power=power,
        rules={rule: times / runs for rule, times in sorted(rules.items())},
        dealt_share=sum(dealt_shares) / runs if dealt_shares else None,
        units=round(course.planned),
        extended_units=round(course.longest) if plan.extended is not plan else None,
        drawn_from=primary.units,
        history_days=min(past) if past else None,
        left_out=tuple(_left_out(plan, records)),
    )


def _left_out(plan: ExperimentSpec, records: Mapping[str, UnitRecords]) -> Iterator[str]:
    if plan.allocation == "ramp":
        yield "the ramp, whose units are dealt by the weights of the file from the first day on"
    if plan.analysis.cuped is None:
        return
    for name, metric in plan.metrics.items():
        if isinstance(metric, QuantileMetric) or records[name].before is not None:
            continue
        why = "the logs have no day before the A/A phase"
        if isinstance(metric, RatioMetric) and {metric.numerator, metric.denominator} & {*OF_EXPOSURES}:
            why = "exposures are logged only while the experiment runs, and before the A/A phase it did not"
        yield f"CUPED of {name}, because {why}"


def played_in_words(spec: ExperimentSpec, played: PlayedDecision, *, formula: float | None) -> str:
    """The count in a sentence, beside what the formulas promise.

    Args:
        spec: The experiment.
        played: The count.
        formula: The least power that the formulas give the same units; None where they give none.
    """
    has = f"has the planned effect on {spec.primary_name}" if spec.analysis.preset == "clear_signals" else "is no worse"
    found = played.power
    ends = f"{percent(found.lower, 1)} to {percent(found.upper, 1)}"
    promised = "the formulas give no power" if formula is None else f"the formulas say at least {percent(formula, 0)}"
    share = played.dealt_share
    if formula is not None and share is not None:
        promised += " when the weights stay"
    deals = "" if share is None else f" Of the units {played.arm} is dealt {percent(share, 0)} on average."
    small = played.rules.get("A5")
    held = f" In {percent(small, 1)} rule A5 held a win back: the test is less precise than planned." if small else ""
    left_out = f" Not played: {'; and '.join(played.left_out)}." if played.left_out else ""
    longer = f" ({count(played.extended_units)} where it goes on)" if played.extended_units else ""
    return (
        f"Played through {count(found.runs)} times with {count(played.units)} units{longer}, drawn from "
        f"{count(played.drawn_from)} of the A/A phase: when {played.arm} {has}, it is promoted "
        f"{percent(found.power, 1)} of the time (95 %: {ends}); {promised}.{held}{deals}{_past(spec, played)}{left_out}"
    )


def _past(spec: ExperimentSpec, played: PlayedDecision) -> str:
    """What CUPED took off in the played experiments."""
    if spec.analysis.cuped is None or played.history_days is None:
        return ""
    asked = spec.analysis.cuped.days
    reach = "" if played.history_days >= asked else f"; of the days before it the logs have {played.history_days}"
    return f" CUPED takes off what they did in the {asked} days before they entered it{reach}."
