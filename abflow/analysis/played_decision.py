"""The power of a whole plan, played through on its own data: its looks, its guardrails and its rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from abflow.analysis.arm_rules import ArmAnswer
from abflow.analysis.compare import compare
from abflow.analysis.drawn_units import Values, drawing, planned_effect, population_of
from abflow.analysis.inflow import counting_days
from abflow.analysis.looks import Look, PastLook, arm_shares, left_behind
from abflow.analysis.readout import Comparison, Readout
from abflow.analysis.sizing import Sizing
from abflow.analysis.verdict import Decision, Verdict, decide
from abflow.analysis.wording import count, percent
from abflow.errors import NotEnoughData, SpecError
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import QuantileMetric, Role
from abflow.stats.power_simulation import Arms, SimulatedPower, simulate_power


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedDecision:
    """How often a plan promotes an arm that has the planned effect.

    Attributes:
        arm: The treatment with the fewest units, which gets the effect.
        power: How often it is promoted.
        units: Of every played experiment, all arms together.
        drawn_from: Units that they are drawn from.
        left_out: What of the plan could not be played.
    """

    arm: str
    power: SimulatedPower
    units: int
    drawn_from: int
    left_out: tuple[str, ...]


def playable(spec: ExperimentSpec) -> ExperimentSpec:
    """The part of a plan that decides and can be played: metrics with a value per unit, without CUPED.

    Raises:
        SpecError: The primary has no value per unit.
    """
    if isinstance(spec.primary, QuantileMetric):
        raise SpecError(
            f"{spec.primary_name} is a quantile of rows; a decision can be played through when its primary has one "
            "value per unit"
        )
    deciding = (Role.PRIMARY, Role.GUARDRAIL, *([Role.SECONDARY] if spec.analysis.family == "all" else []))
    metrics = {
        name: metric
        for name, metric in spec.metrics.items()
        if metric.role in deciding and not isinstance(metric, QuantileMetric)
    }
    return spec.model_copy(
        update={"metrics": metrics, "analysis": spec.analysis.model_copy(update={"cuped": None}), "segments": ()}
    )


def play_decision(
    spec: ExperimentSpec, sizing: Sizing, values: Mapping[str, Values], *, runs: int, seed: int
) -> PlayedDecision:
    """Draw the expected units again and again, put the planned effect into one arm, and let the plan decide.

    Every look is taken with the units that are mature by then. The primary of the arm has an effect of the mde, with
    do_no_harm none; nothing else has any.

    Args:
        spec: The experiment.
        sizing: Its sizing, which knows how many units come and when.
        values: By metric of the playable plan one row per unit, of a ratio numerator and denominator; units of all
            arms, which got the same.
        runs: Experiments to play.
        seed: The same seed, the same count.

    Raises:
        SpecError: The primary has no value per unit.
        NotEnoughData: No units are expected, or none are there to be drawn.
    """
    played, units = playable(spec), round(sizing.expected)
    if sizing.inflow is None or units < 1:
        raise NotEnoughData(f"{spec.experiment} cannot be played through: nobody knows how many units come")
    shares = arm_shares(spec)
    arm = min(spec.treatments, key=lambda name: shares[name])
    primary = spec.primary_name
    gain = {arm: {primary: planned_effect(spec.primary, values[primary])}}
    draw = drawing(
        {name: values[name] for name in played.metrics},
        shares=shares,
        effects=gain if spec.analysis.preset == "clear_signals" else {},
        units=units,
    )
    looks = tuple(_looks(spec, sizing))

    def promoted(arms: Arms) -> bool:
        verdict = _decided(played, arms, looks, units=units)
        return any(found.arm == arm and found.answer is ArmAnswer.WINNER for found in verdict.arms)

    return PlayedDecision(
        arm=arm,
        power=simulate_power(draw, promoted, runs=runs, seed=seed),
        units=units,
        drawn_from=len(values[primary]),
        left_out=tuple(_left_out(spec)),
    )


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
    left_out = f" Not played: {' and '.join(played.left_out)}." if played.left_out else ""
    return (
        f"Played through {count(found.runs)} times with {count(played.units)} units, drawn from "
        f"{count(played.drawn_from)} of the A/A phase: when {played.arm} {has}, it is promoted "
        f"{percent(found.power, 1)} of the time (95 %: {ends}); {promised}.{left_out}"
    )


def _looks(spec: ExperimentSpec, sizing: Sizing) -> Iterator[tuple[int, float]]:
    """Days of the looks that have new mature units, each with its share of those at the cut-off."""
    before, cut_off = 0.0, spec.looks[-1]
    for day in spec.looks:
        mature = sizing.inflow.units(counting_days(spec, days=day)) if sizing.inflow else 0.0
        if mature > before or day == cut_off:
            yield day, mature / sizing.expected
        before = mature


def _decided(spec: ExperimentSpec, arms: Arms, looks: tuple[tuple[int, float], ...], *, units: int) -> Verdict:
    past: tuple[PastLook, ...] = ()
    for day, share in looks:
        look = Look(day=day, final=day == looks[-1][0], planned=float(units), past=past)
        so_far = {
            arm: {name: column[: round(share * len(column))] for name, column in columns.items()}
            for arm, columns in arms.items()
        }
        population = population_of(spec, so_far)
        comparisons = compare(spec, population, contamination=spec.analysis.contamination, look=look)
        verdict = verdict_on(spec, comparisons, day=day, final=look.final)
        if verdict.decision is not Decision.NONE_YET:
            return verdict
        past = (*past, left_behind(look, comparisons))
    raise TypeError("the cut-off decides")  # a bug: the last look is final


def verdict_on(spec: ExperimentSpec, comparisons: tuple[Comparison, ...], *, day: int, final: bool) -> Verdict:
    """The verdict on a look in which no check failed and no unit crossed."""
    readout = Readout(
        experiment=spec.experiment,
        spec_sha256="",
        inputs="",
        cut_off=calendar_of(spec).test.start + timedelta(days=day),
        units={},
        too_late=0,
        crossed=0,
        contamination="exclude",
        checks=(),
        comparisons=comparisons,
        beside=tuple(replace(comparison, contamination="keep_first") for comparison in comparisons),
        day=day,
        final=final,
    )
    return decide(spec, readout, readout_sha256="", versions=dict.fromkeys(spec.variants), champion_moved=None)


def _left_out(spec: ExperimentSpec) -> Iterator[str]:
    for name, metric in spec.metrics.items():
        if metric.role is Role.GUARDRAIL and isinstance(metric, QuantileMetric):
            yield f"{name}, a quantile of rows"
    if spec.analysis.cuped:
        yield "CUPED"
