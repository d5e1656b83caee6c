"""Stories with everything that a readout can hold: looks, posteriors, history, segments and days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal

from abflow.analysis.arm_rules import ArmAnswer
from abflow.analysis.readout import (
    Comparison,
    Deciding,
    EffectsOverTime,
    LevelEffect,
    PosteriorSummary,
    Readout,
    SegmentEffects,
    Word,
)
from abflow.analysis.verdict import ArmVerdict, Decision, Verdict
from abflow.spec.experiment import ExperimentSpec
from abflow.stats.group_sequential import Look as Spent
from abflow.stats.result import Estimate, Unavailable, UnavailableReason
from tests.report.stories import complaints, estimate, readout_of, refunds, retained, revenue, spec_of, verdict_of

NO_SPREAD = Unavailable(reason=UnavailableReason.NO_VARIANCE, detail="all units have the same value")
TOO_FEW_DAYS = Unavailable(
    reason=UnavailableReason.TOO_FEW_UNITS,
    detail="1 of 14 days have an effect with a spread; a trend needs two",
)
HARM = (
    "Stopped on day 5 for harm: complaints of treatment is worse than the 0.0031 allowed by at least 0.0012, "
    "a bound that holds at every daily look."
)
DROPPED = HARM.replace("treatment", "bold")
HEALTHY = "Day 10 of 21: healthy; the result is due on 2026-11-07."


def three_arms(**changes: Any) -> ExperimentSpec:
    variants = {
        "control": {"version": "@champion", "weight": 1},
        "bold": {"version": "@challenger", "weight": 1},
        "careful": {"version": "9", "weight": 1},
    }
    return spec_of(variants=variants, **changes)


def read_at_looks(**analysis: Any) -> ExperimentSpec:
    """A cap that is a percentile moves from look to look, so it is a value here."""
    metrics = spec_of().model_dump(mode="json", by_alias=True)["metrics"]
    return spec_of(metrics=metrics | {"revenue": metrics["revenue"] | {"cap": 310.5}}, analysis=analysis)


def sequential() -> ExperimentSpec:
    return read_at_looks(method="group_sequential", looks=[10, 14])


def bayesian() -> ExperimentSpec:
    return read_at_looks(method="bayesian", looks=[14], prior={"lift_sd": 0.05})


def with_cuped() -> ExperimentSpec:
    return spec_of(segments=["country", "device"], analysis={"cuped": {"days": 14}})


def doubted(name: str = "treatment") -> Comparison:
    """A comparison with every second reading there is."""
    return replace(
        retained(name),
        unadjusted=estimate(0.0138, 0.0079, method="Welch t"),
        variance_kept=0.714,
        stratified=estimate(0.0144, 0.0068, method="post-stratified z"),
        fieller=(0.0171, 0.0538),
        permutation_p=0.0312,
        corrected_by="hochberg",
        notes=("CUPED, coefficient 0.4312: what units did before explains 28.6 % of the variance.",),
    )


def at_a_look(name: str = "treatment") -> Comparison:
    """A group-sequential look that has not shown anything yet."""
    return replace(
        retained(name),
        adjusted_p=None,
        word=Word.UNCLEAR,
        precision=None,
        spent=Spent(fraction=0.38, bound=3.3914, spent=0.000347),
        notes=("look 1 at 38% of the planned units: |Z| against 3.3914.",),
    )


def shown_at_a_look(name: str = "treatment") -> Comparison:
    """A group-sequential look that ends the test."""
    return replace(
        at_a_look(name),
        word=Word.BETTER,
        adjusted_p=0.0009,
        corrected_by="stage-wise ordering",
        deciding=Deciding(
            value=0.0137, lower=0.0058, upper=0.0209, confidence=0.95, method="stage-wise ordering, 2 of 3 looks"
        ),
    )


def believed(name: str = "treatment") -> Comparison:
    """A comparison that is read by its posterior."""
    return replace(
        retained(name),
        adjusted_p=None,
        deciding=Deciding(
            value=0.0139, lower=0.0073, upper=0.0205, confidence=0.95, method="normal posterior, credible interval"
        ),
        posterior=PosteriorSummary(
            better=0.99998,
            beyond_mde=0.9612,
            loss_if_chosen=0.0000004,
            loss_if_not=0.0139,
            within_margin=0.99991,
            margin_needed=0.9678,
            needed=0.9853,
            prior="lifts of 0 ± 5 %",
        ),
    )


def level(name: str, value: float, half: float, *, units: int = 4_211, p_value: float = 0.2) -> LevelEffect:
    return LevelEffect(
        level=name,
        control_units=units,
        treatment_units=units - 37,
        effect=estimate(value, half),
        adjusted_p=p_value,
        lower=value - 1.4 * half,
        upper=value + 1.4 * half,
    )


def by_country(metric: str = "retained", arm: str = "treatment") -> SegmentEffects:
    return SegmentEffects(
        metric=metric,
        arm=arm,
        segment="country",
        planned=True,
        levels=(
            level("AT", 0.0021, 0.0214, units=3_904),
            level("CH", 0.0312, 0.0191, units=5_177, p_value=0.0041),
            level("DE", 0.0154, 0.0088, units=28_031, p_value=0.0029),
        ),
        p_value=0.0121,
        adjusted_p=0.0242,
        inconsistency=0.67,
        left_out=("LI", "(missing)"),
    )


def by_novelty(metric: str = "retained", arm: str = "treatment") -> SegmentEffects:
    return SegmentEffects(
        metric=metric,
        arm=arm,
        segment="is_new_user",
        planned=False,
        levels=(level("false", 0.0139, 0.0081, units=30_118), level("true", 0.0147, 0.0123, units=11_004)),
        p_value=0.8312,
        adjusted_p=None,
        inconsistency=0.0,
        left_out=(),
    )


def by_device(metric: str = "retained", arm: str = "treatment") -> SegmentEffects:
    """A segment that could not be tested."""
    return SegmentEffects(
        metric=metric,
        arm=arm,
        segment="device",
        planned=True,
        levels=(),
        p_value=None,
        adjusted_p=None,
        inconsistency=None,
        left_out=("phone", "tv"),
    )


def course(
    metric: str = "retained",
    arm: str = "treatment",
    *,
    by: Literal["entry_day", "day_since_exposure", "calendar_day"] = "entry_day",
    days: int = 14,
    scale: float = 1.0,
) -> EffectsOverTime:
    """A benefit that wears off, with one day that shows nothing."""
    first = date(2026, 10, 18)
    names = [str(n + 1) if by == "day_since_exposure" else str(first + timedelta(days=n)) for n in range(days)]
    effects: list[Estimate | Unavailable] = [
        estimate(scale * (0.026 - 0.0016 * n + 0.004 * (-1) ** n), scale * (0.016 + 0.001 * (n % 4)))
        for n in range(days)
    ]
    if by == "entry_day":
        effects[4] = NO_SPREAD
        effects[-1] = estimate(scale * 0.011, scale * 0.21)
    return EffectsOverTime(
        metric=metric,
        arm=arm,
        by=by,
        days=tuple(names),
        effects=tuple(effects),
        p_value=0.0871,
        trend_p=0.0113,
        word="wears_off",
    )


def calendar(arm: str = "treatment") -> EffectsOverTime:
    """Every day of a test, the last of them after enrolment."""
    return replace(course(arm=arm, by="calendar_day", days=21, scale=0.5), p_value=None, trend_p=None, word=None)


def untested_course(metric: str = "refunds", arm: str = "treatment") -> EffectsOverTime:
    days = tuple(str(date(2026, 10, 18) + timedelta(days=n)) for n in range(14))
    return EffectsOverTime(
        metric=metric,
        arm=arm,
        by="entry_day",
        days=days,
        effects=tuple(TOO_FEW_DAYS for _ in days),
        p_value=None,
        trend_p=None,
        word=None,
    )


def everything(spec: ExperimentSpec) -> Readout:
    """The cut-off of a test with second readings, segments and days."""
    segments = [
        make(metric, arm)
        for metric in spec.metrics
        for arm in spec.treatments
        for make in (by_novelty, by_country, by_device)
    ]
    courses = [
        found
        for arm in spec.treatments
        for found in (
            course(arm=arm),
            course(arm=arm, by="day_since_exposure", days=7, scale=0.3),
            calendar(arm),
            replace(course("revenue", arm), word="steady", trend_p=0.61),
            replace(course("complaints", arm), word="grows"),
            untested_course(arm=arm),
        )
    ]
    comparisons = [make(arm) for make in (doubted, revenue, complaints, refunds) for arm in spec.treatments]
    return replace(
        readout_of(spec, *comparisons),
        day=21,
        segments=tuple(segments),
        over_time=tuple(courses),
    )


def look(spec: ExperimentSpec, *comparisons: Comparison, day: int = 10) -> Readout:
    """A look before the cut-off."""
    start = date(2026, 10, 18)
    return replace(readout_of(spec, *comparisons), day=day, final=False, cut_off=start + timedelta(days=day))


def none_yet(spec: ExperimentSpec) -> Verdict:
    return replace(
        verdict_of(Decision.NONE_YET, "V3", HEALTHY, answer=ArmAnswer.GOES_ON, arm_rule="V3", spec=spec),
        on=date(2026, 10, 27),
    )


def one_arm_dropped(verdict: Verdict) -> Verdict:
    """The first of several arms was dropped for harm; the others keep their answers."""
    first, *others = verdict.arms
    dropped = ArmVerdict(arm=first.arm, answer=ArmAnswer.REJECTED, rule="V2", sentence=DROPPED, also=())
    return replace(verdict, arms=(dropped, *others))


def stopped() -> Verdict:
    found = verdict_of(
        Decision.STOP, "V2", f"{HARM} control stays.", answer=ArmAnswer.REJECTED, arm_rule="V2", spec=spec_of()
    )
    arms = tuple(replace(arm, sentence=HARM) for arm in found.arms)
    return replace(found, arms=arms, readout=None, on=date(2026, 10, 22))
