"""`Verdict`: the rule table that turns a readout into a decision, with the sentence that says why.

Three steps, each a table read from the top: the first rule that holds decides, the others that hold are
listed under "also".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from abflow.analysis.arm_rules import ARM_RULES, ENDS_EARLY, ArmAnswer
from abflow.analysis.case import Case
from abflow.analysis.compare import beats
from abflow.analysis.gates import Check, Status
from abflow.analysis.harm import Harm
from abflow.analysis.readout import Comparison, Readout
from abflow.spec.calendar import calendar_of
from abflow.spec.experiment import ExperimentSpec
from abflow.spec.metrics import Role
from abflow.stats.result import Estimate


class Decision(StrEnum):
    """What becomes of the experiment."""

    PROMOTE = "promote"
    KEEP = "keep"
    STOP = "stop"
    UNDECIDED = "undecided"
    INVALID = "invalid"
    NONE_YET = "none_yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmVerdict:
    """The answer for one treatment.

    Attributes:
        rule: The first rule that held, A1 to A11; V2 when the arm was dropped for harm, V3 when it goes on.
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
        rule: The rule that decided: V1 to V3, or E1 to E3 after the rules of the arms.
        winner: The variant to promote, when the decision is promote.
        version: Its model version.
        continued: Reasons for which gates were passed over or skipped, by gate.
        readout: Hash of the readout that was judged; None when harm ended the experiment without one.
        on: The day it fell on.
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
    on: date | None = None

    @property
    def ends(self) -> bool:
        """Whether the experiment is over; one that became invalid can be mended, and one without a verdict goes on."""
        return self.decision not in (Decision.NONE_YET, Decision.INVALID)


def decide(
    spec: ExperimentSpec,
    readout: Readout,
    *,
    readout_sha256: str,
    versions: dict[str, str | None],
    champion_moved: Check | None,
    daily: Sequence[Check] = (),
    continued: dict[str, str] | None = None,
    dropped: Mapping[str, Harm] | None = None,
) -> Verdict:
    """Judge an experiment at its cut-off, or at an earlier look that its method allows.

    Args:
        spec: The frozen plan.
        readout: What the test showed.
        readout_sha256: Its hash, so that the verdict names what it judged.
        versions: The model version of each variant.
        champion_moved: The check that nobody else changed the champion; None without a model.
        daily: Failed checks of earlier days.
        continued: Gates that were skipped or passed over, with the reasons.
        dropped: Arms that were stopped for harm on an earlier day.
    """
    arms = _judge_arms(spec, readout, dropped or {})
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
        on=readout.cut_off - timedelta(days=1),
    )


def ends_test(spec: ExperimentSpec, readout: Readout, *, dropped: Mapping[str, Harm] | None = None) -> bool:
    """Whether a look ends the test, if its numbers may be read: the cut-off does, and a look that settles every arm.

    Args:
        spec: The frozen plan.
        readout: What the look showed; its checks are not asked.
        dropped: Arms that were stopped for harm on an earlier day.
    """
    decision, *_ = _experiment(spec, readout, _judge_arms(spec, readout, dropped or {}))
    return decision is not Decision.NONE_YET


_Outcome = tuple[Decision, str, str, str | None]


def _invalid(broken: list[Check]) -> _Outcome:
    """V1: the numbers may not be read."""
    first = broken[0]
    sentence = f"Do not read this result: {first.name}. {first.sentence} Nothing was promoted."
    return Decision.INVALID, "V1", sentence, None


def _judge_arms(spec: ExperimentSpec, readout: Readout, harmed: Mapping[str, Harm]) -> tuple[ArmVerdict, ...]:
    return tuple(_dropped(harmed[arm]) if arm in harmed else _judge_arm(spec, readout, arm) for arm in spec.treatments)


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
    first, *others = [rule for rule in ARM_RULES if rule.holds(case)]
    if not readout.final and first.code not in ENDS_EARLY:
        return ArmVerdict(arm=arm, answer=ArmAnswer.GOES_ON, rule="V3", sentence=_goes_on(spec, readout), also=())
    return ArmVerdict(
        arm=arm,
        answer=first.answer(case),
        rule=first.code,
        sentence=first.sentence(case),
        also=tuple(rule.code for rule in others if rule.code != "A11"),
    )


def _dropped(harm: Harm) -> ArmVerdict:
    return ArmVerdict(arm=harm.arm, answer=ArmAnswer.REJECTED, rule="V2", sentence=harm.sentence, also=())


def _goes_on(spec: ExperimentSpec, readout: Readout) -> str:
    """V3: nothing has been shown yet, and nothing is wrong."""
    last = calendar_of(spec).last
    return f"Day {readout.day} of {spec.phases.test.days}: healthy; the result is due on {last}."


def stopped_for_harm(
    spec: ExperimentSpec, harms: Sequence[Harm], *, on: date, spec_sha256: str, continued: dict[str, str]
) -> Verdict:
    """V2: every arm was found to do harm before the cut-off.

    Args:
        spec: The frozen plan.
        harms: What was found, one arm or more; the last one found ends the experiment.
        on: The day of the last of them.
        spec_sha256: Hash of the plan.
        continued: Gates that were skipped or passed over, with the reasons.
    """
    told = " ".join(harm.sentence for harm in harms)
    return Verdict(
        experiment=spec.experiment,
        decision=Decision.STOP,
        rule="V2",
        sentence=f"{told} {spec.control_name} stays.",
        arms=tuple(_dropped(harm) for harm in harms),
        winner=None,
        version=None,
        continued=continued,
        spec_sha256=spec_sha256,
        readout=None,
        on=on,
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
    if not readout.final:
        return Decision.NONE_YET, "V3", _goes_on(spec, readout), None
    return Decision.UNDECIDED, "E3", f"{told} {stays}; not decided.", None


def _gain(spec: ExperimentSpec, comparison: Comparison) -> float:
    value = comparison.effect.value if isinstance(comparison.effect, Estimate) else float("-inf")
    return spec.primary.sign * value
