"""`Verdict`: the rule table that turns a readout into a decision, with the sentence that says why.

Three steps, each a table read from the top: the first rule that holds decides, the others that hold are
listed under "also".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from abflow.analysis import wording
from abflow.analysis.compare import beats
from abflow.analysis.gates import Check, Status
from abflow.analysis.readout import Comparison, Margin, Readout, Word
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Metric, Role
from abflow.stats.result import Estimate, Unavailable
from abflow.stats.tails import normal_isf


class Decision(StrEnum):
    """What becomes of the experiment."""

    PROMOTE = "promote"
    KEEP = "keep"
    STOP = "stop"
    UNDECIDED = "undecided"
    INVALID = "invalid"


class ArmAnswer(StrEnum):
    """What becomes of one treatment."""

    WINNER = "winner"
    REJECTED = "rejected"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmVerdict:
    """The answer for one treatment.

    Attributes:
        rule: The first rule that held, A1 to A11.
        also: Other rules that held.
    """

    arm: str
    answer: ArmAnswer
    rule: str
    sentence: str
    also: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision on an experiment.

    Attributes:
        rule: The rule that decided: V1 or V2, or E1 to E3 after the rules of the arms.
        winner: The variant to promote, when the decision is promote.
        version: Its model version.
        continued: Reasons for which gates were passed over or skipped, by gate.
        readout: Hash of the readout that was judged.
    """

    experiment: str
    decision: Decision
    rule: str
    sentence: str
    arms: tuple[ArmVerdict, ...]
    winner: str | None
    version: str | None
    continued: dict[str, str]
    spec_sha256: str
    readout: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One arm's evidence, as the rules read it."""

    spec: ExperimentSpec
    arm: str
    primary: Comparison
    other: Comparison
    guardrails: tuple[Comparison, ...]

    @property
    def metric(self) -> Metric:
        """The primary metric."""
        return self.spec.primary

    @property
    def clear_signals(self) -> bool:
        """Whether a gain must be shown."""
        return self.spec.analysis.preset == "clear_signals"

    @property
    def better(self) -> bool:
        """Whether the primary is shown to be better."""
        return self.primary.word is Word.BETTER

    @property
    def gain(self) -> float:
        """The estimated effect, plus is good."""
        return self.spec.primary.sign * self.estimate.value

    @property
    def estimate(self) -> Estimate:
        """The primary's effect; only rules below A1 ask for it."""
        if isinstance(self.primary.effect, Unavailable):
            raise TypeError(f"{self.primary.metric} has no effect")  # a bug: A1 comes first
        return self.primary.effect

    @property
    def ends(self) -> tuple[float, float]:
        """The interval that decides, plus is good: at 1 - alpha'."""
        lower, upper = self.primary.strict or (self.estimate.lower, self.estimate.upper)
        return (lower, upper) if self.metric.sign > 0 else (-upper, -lower)

    @property
    def all_safe(self) -> bool:
        """Whether every guardrail holds; an unclear one may pass where the plan says `unclear: warn`."""
        return all(g.word is Word.SAFE or self.passes_unclear(g) for g in self.guardrails)

    @property
    def no_loss(self) -> bool:
        """Whether do_no_harm's bound on the primary holds."""
        margin = self.primary.margin
        return not self.clear_signals and isinstance(margin, Margin) and margin.lower > 0

    @property
    def holds_up(self) -> bool:
        """Whether the primary alone would win."""
        return self.better or self.no_loss

    @property
    def open_guardrail(self) -> Comparison | None:
        """The first guardrail that is unclear or unavailable."""
        closed = (Word.SAFE, Word.HARMED)
        return next((g for g in self.guardrails if g.word not in closed and not self.passes_unclear(g)), None)

    @property
    def harmed_guardrail(self) -> Comparison | None:
        """The first guardrail that is harmed."""
        return next((g for g in self.guardrails if g.word is Word.HARMED), None)

    def passes_unclear(self, guardrail: Comparison) -> bool:
        """Whether this guardrail is unclear and the plan lets that pass."""
        return guardrail.word is Word.UNCLEAR and self.spec.metrics[guardrail.metric].unclear == "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRule:
    """One row of the table of arms."""

    code: str
    holds: Callable[[Case], bool]
    answer: Callable[[Case], ArmAnswer]
    sentence: Callable[[Case], str]


def decide(
    spec: ExperimentSpec,
    readout: Readout,
    *,
    readout_sha256: str,
    versions: dict[str, str | None],
    champion_moved: Check | None,
    daily: Sequence[Check] = (),
    continued: dict[str, str] | None = None,
) -> Verdict:
    """Judge an experiment at its horizon.

    Args:
        spec: The frozen plan.
        readout: What the test showed.
        readout_sha256: Its hash, so that the verdict names what it judged.
        versions: The model version of each variant.
        champion_moved: The check that nobody else changed the champion; None without a model.
        daily: Failed checks of earlier days.
        continued: Gates that were skipped or passed over, with the reasons.
    """
    arms = tuple(_judge_arm(spec, readout, arm) for arm in spec.treatments)
    checks = [*readout.checks, *daily, *([champion_moved] if champion_moved else [])]
    broken = [check for check in checks if check.status is Status.FAIL]
    decision, rule, sentence, winner = _invalid(broken) if broken else _experiment(spec, readout, arms)
    return Verdict(
        experiment=spec.experiment,
        decision=decision,
        rule=rule,
        sentence=sentence,
        arms=arms,
        winner=winner,
        version=versions.get(winner) if winner else None,
        continued=continued or {},
        spec_sha256=readout.spec_sha256,
        readout=readout_sha256,
    )


_Outcome = tuple[Decision, str, str, str | None]


def _invalid(broken: list[Check]) -> _Outcome:
    """V1: the numbers may not be read."""
    first = broken[0]
    sentence = f"Do not read this result: {first.name}. {first.sentence} Nothing was promoted."
    return Decision.INVALID, "V1", sentence, None


def _judge_arm(spec: ExperimentSpec, readout: Readout, arm: str) -> ArmVerdict:
    case = Case(
        spec=spec,
        arm=arm,
        primary=readout.of(spec.primary_name, arm),
        other=readout.other(spec.primary_name, arm),
        guardrails=tuple(
            readout.of(name, arm) for name, metric in spec.metrics.items() if metric.role is Role.GUARDRAIL
        ),
    )
    unavailable, *rules = ARM_RULES  # the rules below the first read an effect that must be there
    held = [unavailable] if unavailable.holds(case) else [rule for rule in rules if rule.holds(case)]
    first, *others = held
    return ArmVerdict(
        arm=arm,
        answer=first.answer(case),
        rule=first.code,
        sentence=first.sentence(case),
        also=tuple(rule.code for rule in others if rule.code != "A11"),
    )


def _experiment(spec: ExperimentSpec, readout: Readout, arms: tuple[ArmVerdict, ...]) -> _Outcome:
    """E1 to E3: what the arms mean together."""
    told = " ".join(arm.sentence for arm in arms)
    stays = f"{spec.control_name} stays"
    winners = [arm.arm for arm in arms if arm.answer is ArmAnswer.WINNER]
    if winners:
        best = max(winners, key=lambda arm: _gain(spec, readout.of(spec.primary_name, arm)))
        others = [arm for arm in winners if arm != best]
        first, *rest = (readout.of(spec.primary_name, arm).treatment for arm in (best, *others))
        rivals = " ".join(
            f"It is not shown to be better than {other}; its estimate is larger."
            for other, beaten in zip(others, beats(spec, first, rest), strict=True)
            if not beaten
        )
        return Decision.PROMOTE, "E1", f"{told} {rivals}".strip(), best
    if all(arm.answer is ArmAnswer.REJECTED for arm in arms):
        return Decision.KEEP, "E2", f"{told} {stays}.", None
    return Decision.UNDECIDED, "E3", f"{told} {stays}; not decided.", None


def _gain(spec: ExperimentSpec, comparison: Comparison) -> float:
    value = comparison.effect.value if isinstance(comparison.effect, Estimate) else float("-inf")
    return spec.primary.sign * value


def _always(answer: ArmAnswer) -> Callable[[Case], ArmAnswer]:
    return lambda _: answer


def _shown(case: Case) -> str:
    """The primary's effect with the interval that decides."""
    found = case.estimate
    lower, upper = case.primary.strict or (found.lower, found.upper)
    return f"{wording.effect(case.metric, found.value)} ({wording.interval(case.metric, lower, upper)})"


def _unavailable(case: Case) -> str:
    reason = case.primary.effect.detail if isinstance(case.primary.effect, Unavailable) else "unknown"
    return f"{case.primary.metric} could not be computed: {reason}."


def _harmed(case: Case) -> str:
    guardrail = case.harmed_guardrail
    if guardrail is None or not isinstance(guardrail.margin, Margin):
        raise TypeError("no guardrail is harmed")  # a bug: the rule asks first
    metric = case.spec.metrics[guardrail.metric]
    value = guardrail.effect.value if isinstance(guardrail.effect, Estimate) else 0.0
    ends = sorted(metric.sign * end for end in (guardrail.margin.effect_lower, guardrail.margin.effect_upper))
    return (
        f"{guardrail.metric} got worse by more than the {wording.size(metric, guardrail.margin.margin)} allowed: "
        f"{wording.effect(metric, value)} ({wording.interval(metric, *ends)})."
    )


def _hangs(case: Case) -> str:
    what = "one unit" if case.primary.fragile else "how crossed units are treated"
    return f"The answer for {case.arm} hangs on {what}; see the comparison of {case.primary.metric}."


def _small_test(case: Case) -> bool:
    precision, p = case.primary.precision, case.primary.adjusted_p
    powered = precision is not None and precision.powered
    return case.clear_signals and case.better and not powered and (p is None or p >= 0.001)


def _leans(case: Case) -> str:
    precision, p = case.primary.precision, case.primary.adjusted_p
    if p is None:
        raise TypeError("the primary has no p-value")  # a bug: the rule asks first
    lean = f"The data lean towards {case.arm} (p {wording.p_value(p)})"
    if precision is None:
        return f"{lean}, but the mde is relative to a control of 0, so no precision was ever planned."
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
    if margin.margin:
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
    lower, upper = case.primary.strict or (case.estimate.lower, case.estimate.upper)
    return (
        f"The effect of {case.arm} on {case.primary.metric} lies between {wording.effect(case.metric, lower)} and "
        f"{wording.effect(case.metric, upper)}: neither a gain nor a loss is shown. "
        "This is not evidence of no effect."
    )


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
