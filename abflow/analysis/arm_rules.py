"""The table of arms: the rules A1 to A11, each with what holds, what follows and the sentence that says so.

Read from the top, the first rule that holds decides; the table stands at the end, what its rows are made of before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from abflow.analysis import wording
from abflow.analysis.case import Case
from abflow.analysis.readout import Margin, Word
from abflow.stats.result import Estimate, Unavailable
from abflow.stats.tails import normal_isf


class ArmAnswer(StrEnum):
    """What becomes of one treatment."""

    WINNER = "winner"
    REJECTED = "rejected"
    UNDECIDED = "undecided"
    GOES_ON = "goes_on"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRule:
    """One row of the table of arms."""

    code: str
    holds: Callable[[Case], bool]
    answer: Callable[[Case], ArmAnswer]
    sentence: Callable[[Case], str]


def _always(answer: ArmAnswer) -> Callable[[Case], ArmAnswer]:
    return lambda _: answer


def _shown(case: Case) -> str:
    """The primary's effect with the interval that decides."""
    value, lower, upper = case.shown
    return f"{wording.effect(case.metric, value)} ({wording.interval(case.metric, lower, upper)})"


def _unavailable(case: Case) -> str:
    reason = case.primary.effect.detail if isinstance(case.primary.effect, Unavailable) else "unknown"
    return f"{case.primary.metric} could not be computed: {reason}."


def _harmed(case: Case) -> str:
    guardrail = case.harmed_guardrail
    if guardrail is None or not isinstance(guardrail.margin, Margin):
        raise TypeError("no guardrail is harmed")  # a bug: the rule asks first
    metric = case.spec.metrics[guardrail.metric]
    ends = sorted(metric.sign * end for end in (guardrail.margin.effect_lower, guardrail.margin.effect_upper))
    effect = wording.interval(metric, *ends)
    # Rows of two arms that do not overlap have bounds, though no test of their quantiles.
    if isinstance(guardrail.effect, Estimate):
        effect = f"{wording.effect(metric, guardrail.effect.value)} ({effect})"
    allowed = wording.size(metric, guardrail.margin.margin)
    return f"{guardrail.metric} got worse by more than the {allowed} allowed: {effect}."


def _hangs(case: Case) -> str:
    what = "one unit" if case.primary.fragile else "how crossed units are treated"
    return f"The answer for {case.arm} hangs on {what}; see the comparison of {case.primary.metric}."


def _small_test(case: Case) -> bool:
    powered = case.primary.precision is not None and case.primary.precision.powered
    return case.clear_signals and case.better and case.read_once and not powered and not case.overwhelming


def _leans(case: Case) -> str:
    precision, p, posterior = case.primary.precision, case.primary.adjusted_p, case.primary.posterior
    strength = f"p {wording.p_value(p)}" if p is not None else ""
    if posterior:
        strength = f"probability {posterior.better:.4f}"
    lean = f"The data lean towards {case.arm} ({strength})"
    if precision is None and not case.primary.mde:
        return f"{lean}, but the mde is relative to a control of 0, so no precision was ever planned."
    if precision is None:
        return f"{lean}, but nothing varied within either arm, so nobody knows how precise the test was."
    return (
        f"{lean}, but precision is "
        f"{precision.percent_of_plan:.0f} % of the plan, and wins in small tests are often false or exaggerated. "
        f"About {wording.count(precision.more_units_per_arm)} more units per arm would reach it."
    )


def _below_practical(case: Case) -> bool:
    return case.clear_signals and case.better and case.gain < case.primary.practical


def _practical_answer(case: Case) -> ArmAnswer:
    ruled_out = case.ends[1] < case.primary.practical
    return ArmAnswer.REJECTED if ruled_out else ArmAnswer.UNDECIDED


def _practical_sentence(case: Case) -> str:
    below = "below" if case.ends[1] < case.primary.practical else "perhaps below"
    return (
        f"A real gain of {case.arm} on {case.primary.metric}, {_shown(case)}, but {below} the "
        f"{wording.size(case.metric, case.primary.practical)} that matters."
    )


def _wins(case: Case) -> str:
    smaller = ""
    if case.primary.mde and case.gain < case.primary.mde:
        smaller = f" It is smaller than the {wording.size(case.metric, case.primary.mde)} planned for."
    return (
        f"{case.arm} is better than {case.spec.control_name} on {case.primary.metric}: {_shown(case)}; "
        f"{_guarded(case)}.{smaller}"
    )


def _guarded(case: Case) -> str:
    unclear = [g.metric for g in case.guardrails if case.passes_unclear(g)]
    if unclear:
        return f"{', '.join(unclear)} stayed unclear, which the plan allows with a warning"
    return "every guardrail stays within its margin" if case.guardrails else "there are no guardrails"


def _not_worse(case: Case) -> str:
    margin = case.primary.margin
    if not isinstance(margin, Margin):
        raise TypeError("the primary has no margin")  # a bug: the rule asks first
    return (
        f"{case.arm} is not worse than {case.spec.control_name} on {case.primary.metric} by more than "
        f"{wording.size(case.metric, margin.margin)} (at worst "
        f"{wording.effect(case.metric, case.metric.sign * margin.effect_lower)}); {_guarded(case)}."
    )


def _guardrail_open(case: Case) -> str:
    guardrail = case.open_guardrail
    if guardrail is None:
        raise TypeError("every guardrail is safe")  # a bug: the rule asks first
    if not isinstance(guardrail.margin, Margin):
        why = guardrail.margin.detail if isinstance(guardrail.margin, Unavailable) else "no bound"
        return f"{case.arm} holds up on {case.primary.metric}, but {guardrail.metric} could not be computed: {why}."
    metric, margin, analysis = case.spec.metrics[guardrail.metric], guardrail.margin, case.spec.analysis
    settles = "The margin is relative to a control of 0, so no number of units would settle it."
    if margin.margin and not margin.se:
        settles = "Nothing varied within either arm, so nobody knows how many units would settle it."
    elif margin.margin:
        reach = (normal_isf(analysis.alpha) + normal_isf(1 - analysis.power)) * margin.se
        units = (guardrail.control.units + guardrail.treatment.units) / 2 * (reach / margin.margin) ** 2
        settles = f"About {wording.count(units)} units per arm would settle it."
    return (
        f"{case.arm} holds up on {case.primary.metric}, but {guardrail.metric} could still be worse than the "
        f"{wording.size(metric, margin.margin)} allowed (bound "
        f"{wording.effect(metric, metric.sign * margin.effect_lower)}). {settles}"
    )


def _gain_excluded(case: Case) -> str:
    return (
        f"A gain of {wording.size(case.metric, case.primary.mde or 0)} on {case.primary.metric} is ruled out for "
        f"{case.arm} (at most {wording.effect(case.metric, case.metric.sign * case.ends[1])}). "
        "Smaller effects are possible."
    )


def _nothing_shown(case: Case) -> str:
    _, lower, upper = case.shown
    return (
        f"The effect of {case.arm} on {case.primary.metric} lies between {wording.effect(case.metric, lower)} and "
        f"{wording.effect(case.metric, upper)}: neither a gain nor a loss is shown. "
        "This is not evidence of no effect."
    )


# Before the cut-off only these end an arm: a shown loss, a win, and a gain that is ruled out. Harm is V2's.
ENDS_EARLY = ("A3", "A7", "A8", "A10")

ARM_RULES = (
    ArmRule(
        code="A1",
        holds=lambda case: isinstance(case.primary.effect, Unavailable),
        answer=_always(ArmAnswer.UNDECIDED),
        sentence=_unavailable,
    ),
    ArmRule(
        code="A2",
        holds=lambda case: case.harmed_guardrail is not None,
        answer=_always(ArmAnswer.REJECTED),
        sentence=_harmed,
    ),
    ArmRule(
        code="A3",
        holds=lambda case: case.primary.word is Word.WORSE,
        answer=_always(ArmAnswer.REJECTED),
        sentence=lambda case: (
            f"{case.arm} is worse than {case.spec.control_name} on {case.primary.metric}: {_shown(case)}."
        ),
    ),
    ArmRule(
        code="A4",
        holds=lambda case: case.primary.fragile or case.primary.word is not case.other.word,
        answer=_always(ArmAnswer.UNDECIDED),
        sentence=_hangs,
    ),
    ArmRule(code="A5", holds=_small_test, answer=_always(ArmAnswer.UNDECIDED), sentence=_leans),
    ArmRule(code="A6", holds=_below_practical, answer=_practical_answer, sentence=_practical_sentence),
    ArmRule(
        code="A7",
        holds=lambda case: case.better and case.all_safe,
        answer=_always(ArmAnswer.WINNER),
        sentence=_wins,
    ),
    ArmRule(
        code="A8",
        holds=lambda case: case.no_loss and case.all_safe,
        answer=_always(ArmAnswer.WINNER),
        sentence=_not_worse,
    ),
    ArmRule(
        code="A9",
        holds=lambda case: case.holds_up and case.open_guardrail is not None,
        answer=_always(ArmAnswer.UNDECIDED),
        sentence=_guardrail_open,
    ),
    ArmRule(
        code="A10",
        holds=lambda case: case.clear_signals and case.primary.mde_excluded,
        answer=_always(ArmAnswer.REJECTED),
        sentence=_gain_excluded,
    ),
    ArmRule(code="A11", holds=lambda _: True, answer=_always(ArmAnswer.UNDECIDED), sentence=_nothing_shown),
)
